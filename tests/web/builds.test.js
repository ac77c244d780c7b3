// Each build of OpenCV.js that lies in samples/web, in the page, where threads may be used: the boxes are those of the npm
// package. CHROMIUM names the program; MODEL a further model file, PICTURE what to look at with it.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { drop, frames, ISOLATED, launch, next_picture, open, save, serve } from "./browser.js";
import { read_bytes, WEB } from "./helpers.js";

const PIXELS = 0.5, SCORE = 1e-3;

const installed = JSON.parse(fs.readFileSync(new URL("installed/files.json", WEB), "utf8"));
const builds = [...installed.builds].reverse(); // the npm package's comes last

let browser, server;
before(async () => {
  server = await serve(ISOLATED);
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

let reference = null;
for (const build of builds) {
  test(build.file, { timeout: 240_000 }, async (t) => {
    const answers = { "**/installed/files.json": { json: { ...installed, builds: [build] } } };
    const page = await open(browser, server.url, { serviceWorkers: "block" }, answers);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    const words = [build.simd ? "SIMD" : "without SIMD", build.threads ? "threads" : "one thread"];
    assert.equal(await page.textContent("#build"), `OpenCV.js: ${words.join(", ")}`);

    const found = [await look(page, "cluttered.jpg", read_bytes("samples/cluttered.jpg"))];
    if (process.env.MODEL) {
      await drop(page, path.basename(process.env.MODEL), fs.readFileSync(process.env.MODEL));
      await page.waitForFunction((name) => document.getElementById("model_name").textContent.includes(name), path.basename(process.env.MODEL));
      found.push(await look(page, "more.png", fs.readFileSync(process.env.PICTURE)));
    }
    assert.deepEqual(page.errors, []);
    await page.context().close();

    reference ??= found;
    found.forEach((detections, i) => compare(detections, reference[i]));
    t.diagnostic(`${found.map((detections) => detections.length).join(" and ")} boxes`);
  });
}

/** Drop a picture on the page: what its JSON says of it. */
async function look(page, name, bytes) {
  const before = await frames(page);
  await drop(page, name, bytes, "image/jpeg");
  for (let more = 1; ; more++) { // the new model may look at the last picture again, first
    await next_picture(page, before, more);
    const [, json] = await save(page, "#save_json");
    const [{ file, detections }] = JSON.parse(json);
    if (file !== name) continue;
    assert.ok(detections.length > 0);
    return detections;
  }
}

function compare(found, expected) {
  assert.equal(found.length, expected.length);
  const order = (a, b) => a.class_id - b.class_id || a.box[0] - b.box[0] || a.box[1] - b.box[1];
  const [ours, theirs] = [found, expected].map((list) => [...list].sort(order));
  ours.forEach(({ name, score, box, mask }, i) => {
    assert.equal(name, theirs[i].name);
    assert.ok(Math.abs(score - theirs[i].score) <= SCORE, `score ${score}, ${theirs[i].score}`);
    box.forEach((edge, k) => assert.ok(Math.abs(edge - theirs[i].box[k]) <= PIXELS, `${box}, ${theirs[i].box}`));
    assert.deepEqual(mask?.size, theirs[i].mask?.size);
  });
}
