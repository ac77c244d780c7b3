// The page in Chromium. CHROMIUM names the program.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";

import { drop, frames, launch, listed, next_picture, open, save, serve } from "./browser.js";
import { cases, picture, read_bytes, ROOT } from "./helpers.js";

const read_json = (path) => JSON.parse(fs.readFileSync(new URL(path, ROOT), "utf8"));
const LABELS = read_json("samples/labels.json");
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let browser, server;
before(async () => {
  server = await serve();
  browser = await launch();
});
after(async () => {
  await browser.close();
  await server.close();
});

/** A test on a page of its own, which must not have logged an error. */
function page_test(name, options, body) {
  test(name, { timeout: 240_000 }, async () => {
    const page = await open(browser, server.url, options);
    await body(page);
    assert.deepEqual(page.errors, []);
    await page.context().close();
  });
}

const names_of = (rows) => rows.map(([name]) => name).sort();
const drawn = (file) => LABELS[file].map(({ name }) => name).sort();

page_test("a dropped picture: all codes are found, a bar code is read", {}, async (page) => {
  await drop(page, "cluttered.jpg", read_bytes("samples/cluttered.jpg"), "image/jpeg");
  await next_picture(page, 0);
  assert.deepEqual(names_of(await listed(page)), drawn("cluttered.jpg"));
  const before = await frames(page);
  await drop(page, "parcel.jpg", read_bytes("samples/parcel.jpg"), "image/jpeg");
  await next_picture(page, before);
  const [[name, text], ...others] = await listed(page);
  assert.deepEqual([name, others], ["barcode", []]);
  assert.ok(text.includes(LABELS["parcel.jpg"][0].text), text); // a reader adds the check digit
  await page.waitForFunction(() => document.getElementById("summary").textContent === "1 found: barcode 1");
});

page_test("the camera: all codes are found, and the page's thread stays free", PHONE, async (page) => {
  await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline"] });
  await page.click("#camera");
  await next_picture(page, 0, 5);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  assert.deepEqual(names_of(await listed(page)), drawn("cluttered.jpg"));

  // CPU time, so that it does not matter what else the machine does. Worker threads are others.
  const mains = new Set(
    traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain").map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(({ name, pid, tid, tdur }) => /RunTask/.test(name) && tdur !== undefined && mains.has(`${pid} ${tid}`));
  assert.ok(tasks.length > 50, `${tasks.length} tasks`);
  const longest = Math.max(...tasks.map(({ tdur }) => tdur)) / 1000;
  assert.ok(longest < 50, `a task of ${longest} ms`);

  await page.click("#stop");
  assert.equal(await page.isVisible("#camera"), true);
  assert.equal(await page.getAttribute("#stage", "data-shows"), "picture");
});

page_test("no leak over 300 pictures of a camera", {}, async (page) => {
  await page.selectOption("#size", "160");
  await page.uncheck("#read");
  await page.click("#camera");
  const memory = async () => ({
    opencv: Number(await page.getAttribute("body", "data-memory")),
    page: await page.evaluate(() => {
      gc();
      return performance.memory.usedJSHeapSize;
    }),
  });
  await next_picture(page, 0, 30);
  const early = await memory();
  await next_picture(page, await frames(page), 300);
  const late = await memory();
  assert.equal(late.opencv, early.opencv);
  assert.ok(late.page - early.page < 3e6, `${late.page - early.page} bytes more`);
});

test("without a network, after the first visit", { timeout: 240_000 }, async () => {
  const own = await serve();
  const page = await open(browser, own.url);
  await page.evaluate(async () => (await navigator.serviceWorker.ready).active.state);
  await own.close();
  await page.reload();
  await page.waitForFunction(() => document.getElementById("model_name").textContent !== "", null, { timeout: 120_000 });
  await page.click("#try_sample");
  await next_picture(page, 0);
  assert.deepEqual(names_of(await listed(page)), drawn("cluttered.jpg"));
  await page.context().close();
});

page_test("wrong files get one sentence each, and the page goes on", {}, async (page) => {
  const sentence = async (name, bytes, type) => {
    await page.evaluate(() => (document.getElementById("alert").textContent = ""));
    await drop(page, name, bytes, type);
    await page.waitForFunction(() => document.getElementById("alert").textContent !== "", null, { timeout: 120_000 });
    return page.textContent("#alert");
  };
  const letters = (text) => new TextEncoder().encode(text);
  assert.equal(
    await sentence("page.onnx", letters("<html>404</html>")),
    "This model cannot be used. page.onnx is not an ONNX model, or a damaged one: the wire type 4 at byte 0 is unknown",
  );
  assert.match(await sentence("best.pt", letters("PK\x03\x04")), /best\.pt is a PyTorch checkpoint.*python -m convert/);
  assert.match(await sentence("notes.txt", letters("hello"), "text/plain"), /^notes\.txt is neither a picture nor a video/);
  assert.match(await sentence("film.mp4", letters("hello"), "video/mp4"), /^film\.mp4 is neither a picture nor a video/);

  const broken = read_bytes("weights/codes.onnx"); // it kills the worker
  broken.set(letters("nearesu"), Buffer.from(broken).indexOf("nearest", 0, "latin1")); // how a Resize rounds
  assert.match(await sentence("broken.onnx", broken), /^This model cannot be used\. OpenCV cannot load broken\.onnx: /);
  page.errors = []; // OpenCV logs what it could not load

  await page.click("#language");
  assert.match(await page.textContent("#alert"), /^无法使用该模型。OpenCV cannot load broken\.onnx/);
  await page.click("#try_sample");
  await next_picture(page, 0);
  assert.deepEqual(names_of(await listed(page)), drawn("cluttered.jpg"));
  assert.equal(await page.isVisible("#alert"), false);
});

test("a build of OpenCV.js that cannot be loaded: the next one is taken", { timeout: 240_000 }, async () => {
  const installed = read_json("samples/web/installed/files.json");
  const builds = [{ file: "opencv/gone/opencv_js.js", simd: true, threads: false, files: [] }, installed.builds.at(-1)];
  const answers = { "**/installed/files.json": { json: { ...installed, builds } } };
  const page = await open(browser, server.url, { serviceWorkers: "block" }, answers);
  assert.equal(await page.textContent("#build"), "OpenCV.js: without SIMD, one thread");
  await page.click("#try_sample");
  await next_picture(page, 0);
  assert.deepEqual(names_of(await listed(page)), drawn("cluttered.jpg"));
  await page.context().close();
});

page_test("a refused camera gets one sentence", { permissions: [] }, async (page) => {
  await page.click("#camera");
  await page.waitForSelector("#alert", { state: "visible" });
  assert.match(await page.textContent("#alert"), /^The camera was refused: /);
  await page.evaluate(() => Object.defineProperty(navigator, "mediaDevices", { value: undefined }));
  await page.click("#camera");
  await page.waitForFunction(() => /secure page/.test(document.getElementById("alert").textContent));
});

page_test("settings: thresholds and classes", {}, async (page) => {
  await page.click("#try_sample");
  await next_picture(page, 0);
  const set = async (action) => {
    const before = await frames(page);
    await action();
    await next_picture(page, before);
    await page.waitForTimeout(100);
    return names_of(await listed(page));
  };
  const confidence = page.getByRole("slider", { name: "Confidence" });
  assert.ok((await set(() => confidence.fill("0.85"))).length < 8);
  assert.deepEqual(await set(() => confidence.fill("0.25")), drawn("cluttered.jpg"));
  await set(() => page.getByRole("button", { name: "None" }).click());
  assert.deepEqual(await listed(page), []);
  assert.deepEqual(await set(() => page.getByRole("checkbox", { name: "qr_code" }).check()), ["qr_code", "qr_code"]);
});

page_test("by keyboard, with names for a screen reader", {}, async (page) => {
  await page.getByRole("button", { name: "Try a sample picture" }).focus();
  await page.keyboard.press("Enter");
  await next_picture(page, 0);
  await page.getByRole("img", { name: "Picture with 8 boxes" }).waitFor();
  await page.getByRole("combobox", { name: "Input size" }).waitFor();
  await page.getByRole("group", { name: "Classes" }).waitFor();
  await page.getByRole("list", { name: "Found" }).waitFor();
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll("button, input:not([hidden]), select")].filter(
      (element) => !element.textContent.trim() && !element.labels?.length && !element.getAttribute("aria-label"),
    ).map(({ id }) => id),
  );
  assert.deepEqual(nameless, []);
  const reached = new Set();
  for (let i = 0; i < 40; i++) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ["camera", "open", "save_picture", "save_json", "confidence", "overlap", "size", "read", "choose_model", "language"]) {
    assert.ok(reached.has(id), `${id} is not reached`);
  }
});

for (const [name, options] of Object.entries({ phone: PHONE, desktop: { viewport: { width: 1280, height: 800 } } })) {
  for (const colorScheme of ["light", "dark"]) {
    page_test(`nothing sticks out: ${name}, ${colorScheme}`, { ...options, colorScheme, locale: "zh-CN" }, async (page) => {
      assert.equal(await page.textContent("#camera"), "摄像头");
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wider <= 0, `${wider} pixels too wide`);
      const [ground, ink] = await page.evaluate(() => {
        const style = getComputedStyle(document.body);
        return [style.backgroundColor, style.color].map((rgb) => Number(rgb.match(/\d+/)[0]));
      });
      assert.equal(ground > ink, colorScheme === "light");
    });
  }
}

page_test("the picture and the JSON are saved", {}, async (page) => {
  await page.click("#try_sample");
  await next_picture(page, 0);
  const [json_name, json] = await save(page, "#save_json");
  assert.equal(json_name, "cluttered.json");
  const [entry] = JSON.parse(json);
  assert.deepEqual([entry.file, entry.width, entry.height], ["cluttered.jpg", 1000, 750]);
  assert.deepEqual(entry.detections.map(({ name }) => name).sort(), drawn("cluttered.jpg"));
  for (const { class_id, score, box } of entry.detections) {
    assert.ok(Number.isInteger(class_id) && score > 0.25 && box.length === 4);
  }
  const [name, jpeg] = await save(page, "#save_picture");
  assert.equal(name, "cluttered-detected.jpg");
  const size = await page.evaluate(async (bytes) => {
    const { width, height } = await createImageBitmap(new Blob([Uint8Array.from(bytes)]));
    return [width, height];
  }, [...jpeg]);
  assert.deepEqual(size, [1000, 750]);
});

page_test("draw: golden cases on a canvas", {}, async (page) => {
  for (const { name, image, pixels, ...rest } of cases("draw").filter((each) => each.pixels)) {
    const { data, width, height } = picture(image);
    const detections = rest.xyxy.map((box, i) => ({
      box, class_id: rest.class_ids[i], score: rest.scores[i], name: rest.names[rest.class_ids[i]],
    }));
    const found = await page.evaluate(
      async ([data, width, height, detections, places, look]) => {
        const { draw } = await import("./yolov5_dnn.js");
        const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
        const bytes = Uint8ClampedArray.from(atob(data), (letter) => letter.charCodeAt(0));
        context.putImageData(new ImageData(bytes, width, height), 0, 0);
        draw(context, detections, look);
        const drawn = context.getImageData(0, 0, width, height).data;
        return places.map(([x, y]) => [2, 1, 0].map((c) => drawn[4 * (y * width + x) + c]));
      },
      [Buffer.from(data).toString("base64"), width, height, detections, pixels,
        { line: rest.line_thickness, hide_labels: rest.hide_labels }],
    );
    pixels.forEach(([x, y, ...bgr], i) => assert.deepEqual(found[i], bgr, `${name}: ${x}, ${y}`));
  }
});
