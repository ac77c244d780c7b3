// What the Chromium tests share: a server of the page that can be killed, and a browser with a fake camera.

import fs from "node:fs";
import http from "node:http";
import os from "node:os";
import path from "node:path";

import { ROOT, WEB } from "./helpers.js";

const TYPES = {
  ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json", ".svg": "image/svg+xml",
  ".png": "image/png", ".jpg": "image/jpeg", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json",
  ".txt": "text/plain",
};

/** The headers that let a page use threads. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Serve samples/web, with `headers` on every answer. Returns {url, close}. */
export async function serve(headers = {}) {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    const file = new URL(`.${name.endsWith("/") ? `${name}index.html` : name}`, WEB);
    if (!file.href.startsWith(WEB.href) || !fs.existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": TYPES[path.extname(file.pathname)] ?? "application/octet-stream", ...headers });
    fs.createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, "localhost", resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://localhost:${server.address().port}/`, close };
}

/** Start Chromium; its camera shows `picture`, a JPEG file of samples. */
export async function launch(picture = "cluttered.jpg", args = []) {
  const { chromium } = await import(new URL("node_modules/playwright-core/index.mjs", WEB));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "camera-"));
  const film = path.join(folder, "camera.mjpeg");
  const frame = fs.readFileSync(new URL(`samples/${picture}`, ROOT));
  fs.writeFileSync(film, Buffer.concat([frame, frame, frame]));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [
      "--no-sandbox", "--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${film}`,
      "--enable-precise-memory-info", "--js-flags=--expose-gc", ...args,
    ],
  });
  browser.on("disconnected", () => fs.rmSync(folder, { recursive: true, force: true }));
  return browser;
}

/**
 * Open the page and wait until its model is loaded. Its errors go into `page.errors`; `answers` are given in place of the
 * server's, by pattern of the address.
 */
export async function open(browser, url, options = {}, answers = {}) {
  const context = await browser.newContext({ permissions: ["camera"], locale: "en-GB", ...options });
  const page = await context.newPage();
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && page.errors.push(message.text()));
  for (const [pattern, answer] of Object.entries(answers)) await page.route(pattern, (route) => route.fulfill(answer));
  await page.goto(url, { timeout: 120_000 });
  await page.waitForFunction(() => document.getElementById("model_name").textContent !== "", null, { timeout: 120_000 });
  await page.waitForSelector("#busy", { state: "hidden", timeout: 120_000 });
  return page;
}

/** Drop a file on the page. */
export async function drop(page, name, bytes, type = "") {
  const data = Buffer.from(bytes).toString("base64");
  await page.evaluate(
    async ([name, data, type]) => {
      const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
      const transfer = new DataTransfer();
      transfer.items.add(new File([bytes], name, { type }));
      dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
    },
    [name, data, type],
  );
}

/** Press one of the page's buttons that save a file: [its name, its bytes]. */
export async function save(page, id) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(id)]);
  return [download.suggestedFilename(), fs.readFileSync(await download.path())];
}

/** Count the pictures that the page has shown. */
export function frames(page) {
  return page.evaluate(() => Number(document.body.dataset.frames ?? 0));
}

/** Wait until the page has shown more pictures than `before`. */
export async function next_picture(page, before, more = 1) {
  await page.waitForFunction((least) => Number(document.body.dataset.frames ?? 0) >= least, before + more, { timeout: 120_000 });
}

/** What the page lists: [name, text] pairs, sorted. */
export function listed(page) {
  return page.evaluate(() =>
    [...document.querySelectorAll("#found li")]
      .map((item) => [item.querySelector(".name").textContent, item.querySelector("code")?.textContent ?? ""])
      .sort((a, b) => (a.join() < b.join() ? -1 : 1)),
  );
}
