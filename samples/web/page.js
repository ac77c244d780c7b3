// The page: wires sources, worker, controls and results together.

import { Engine, EngineError } from "./page/engine.js";
import { show_found, show_speed } from "./page/results.js";
import { save_json, save_picture } from "./page/save.js";
import { Settings, show_model } from "./page/settings.js";
import { list_cameras, open_camera, open_picture, open_video, SourceError } from "./page/sources.js";
import { Stage } from "./page/stage.js";
import { first_language, other_language, speak, text } from "./page/texts.js";

const by_id = (id) => document.getElementById(id);
const video = by_id("video");
const alert_line = by_id("alert");

const stage = new Stage();
const settings = new Settings(() => detect_again());
let engine = null;
let model = null; // {info, path, embedded}
let source = null;
let last = null; // {bitmap, kind, found, timings, width, height, name} of the picture that was shown last
let per_second = 0;
let failure = null; // {key, values} of what the alert says

// ---- what is wrong, in one sentence

function fail(key, values = {}) {
  failure = { key, values };
  alert_line.hidden = false;
  alert_line.textContent = text(key, values);
}

function all_is_well() {
  failure = null;
  alert_line.hidden = true;
  alert_line.textContent = "";
}

function busy(key) {
  by_id("busy").hidden = key === null;
  by_id("busy_text").textContent = key === null ? "" : text(key);
}

// ---- the model

async function load_model(bytes, path, embedded) {
  busy("loading_model");
  try {
    const info = await engine.load(bytes, path);
    model = { info, path, embedded };
    show_build(); // which may have been changed for one that could be loaded
    settings.fit(info);
    show_model(info, model);
    all_is_well();
    await detect_again();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    fail("error_model", { reason: error.message });
  } finally {
    busy(null);
  }
}

async function load_embedded() {
  const response = await fetch("installed/codes.onnx");
  if (!response.ok) return fail("error_installed");
  await load_model(new Uint8Array(await response.arrayBuffer()), "codes.onnx", true);
}

// ---- sources

/** Open a source; `opening` makes it. Whatever was open before is closed. */
async function open(opening) {
  close();
  const request = (open.request = Symbol());
  try {
    const opened = await opening();
    if (request !== open.request) return opened.close(); // another one was asked for meanwhile
    source = opened;
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return fail(error.key, error.values);
  }
  all_is_well();
  by_id("stop").hidden = !source.moving;
  by_id("camera").hidden = source.name === "camera";
  by_id("switch_camera").hidden = source.name !== "camera" || (await list_cameras()).length < 2;
  stage.open(source.width, source.height, source.moving ? null : await source.grab());
  if (source.moving) await follow(source);
  else await detect_in(await source.grab(), source);
}

function close() {
  source?.close();
  source = null;
  by_id("camera").hidden = false;
  by_id("stop").hidden = true;
  by_id("switch_camera").hidden = true;
}

async function open_file(file) {
  if (/\.(onnx|pt|pth)$/i.test(file.name)) {
    return load_model(new Uint8Array(await file.arrayBuffer()), file.name, false);
  }
  if (file.type.startsWith("video/")) return open(() => open_video(file, video));
  return open(() => open_picture(file));
}

/** Detect in a moving source, always in its newest picture: those that come meanwhile are dropped. */
async function follow(moving) {
  let before = performance.now();
  per_second = 0;
  while (source === moving) {
    await next_frame();
    if (source !== moving) return;
    let bitmap;
    try {
      bitmap = await moving.grab();
    } catch {
      continue; // there is no picture at this moment
    }
    if (!(await detect_in(bitmap, moving))) return;
    const now = performance.now();
    const rate = 1000 / (now - before);
    per_second = per_second ? 0.8 * per_second + 0.2 * rate : rate;
    before = now;
  }
}

/** Wait until the video shows another picture. */
function next_frame() {
  return new Promise((resolve) => {
    if (!video.requestVideoFrameCallback) return setTimeout(resolve, 15);
    const timer = setTimeout(resolve, 500); // a paused video has no more of them
    video.requestVideoFrameCallback(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

// ---- detection

/** Detect in a bitmap and show what was found. Returns whether that worked. */
async function detect_in(bitmap, from, changed = true) {
  if (!model) return true;
  try {
    const answer = await engine.look(bitmap, settings.values, changed);
    if (source !== from && source !== null) return true; // of a source that is closed
    if (last && last.bitmap !== bitmap) last.bitmap.close();
    last = { bitmap, name: from.moving && from.name === "camera" ? "camera.jpg" : from.name, ...answer };
    show_last();
    return true;
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    fail("error_detect", { reason: error.message });
    return false;
  }
}

function show_last() {
  const { kind, found, timings, width, height, memory } = last;
  stage.show(kind, found, width, height);
  show_found(found);
  show_speed(timings, source?.moving ? per_second : 0);
  document.body.dataset.frames = Number(document.body.dataset.frames ?? 0) + 1;
  document.body.dataset.memory = memory;
  for (const id of ["save_picture", "save_json"]) by_id(id).disabled = false;
}

let again = null; // "running", or "wanted" when anything has changed since

/** Detect in the still picture again, with other settings. */
async function detect_again() {
  if (!source || source.moving) return;
  if (again) return void (again = "wanted");
  do {
    again = "running";
    await detect_in(await source.grab(), source, false);
  } while (again === "wanted" && source && !source.moving);
  again = null;
}

// ---- buttons, keys, dropped files

by_id("camera").onclick = () => open(() => open_camera(video));
by_id("switch_camera").onclick = async () => {
  const { facing, device_id } = source;
  if (facing) return open(() => open_camera(video, { facing: facing === "user" ? "environment" : "user" }));
  const cameras = await list_cameras();
  const next = cameras[(cameras.indexOf(device_id) + 1) % cameras.length];
  return open(() => open_camera(video, { device_id: next }));
};
by_id("stop").onclick = stop;
by_id("open").onclick = () => by_id("open_file").click();
by_id("choose_model").onclick = () => by_id("model_file").click();
by_id("embedded_model").onclick = load_embedded;
for (const id of ["open_file", "model_file"]) {
  by_id(id).onchange = async ({ target }) => {
    const [file] = target.files;
    target.value = ""; // so that the same file can be chosen again
    if (file) await (id === "model_file" ? load_chosen(file) : open_file(file));
  };
}
by_id("try_sample").onclick = async () => {
  const response = await fetch("installed/cluttered.jpg");
  if (!response.ok) return fail("error_sample");
  await open_file(new File([await response.blob()], "cluttered.jpg", { type: "image/jpeg" }));
};
by_id("save_picture").onclick = async () => {
  try {
    await save_picture(last.bitmap, last);
  } catch {
    fail("error_save");
  }
};
by_id("save_json").onclick = () => save_json(last);
by_id("language").onclick = () => change_language(other_language());

async function load_chosen(file) {
  await load_model(new Uint8Array(await file.arrayBuffer()), file.name, false);
}

/** Stop a camera or a video; what was found last stays, as a still picture. */
async function stop() {
  close();
  if (!last) return stage.clear();
  const still = await createImageBitmap(last.bitmap);
  const { name, width, height, kind, found } = last;
  source = { name, moving: false, width, height, grab: async () => still, close: () => {} };
  stage.open(width, height, still);
  stage.show(kind, found, width, height);
}

let dragged = 0; // elements that the dragged file is over
addEventListener("dragenter", () => (by_id("drop").hidden = ++dragged === 0));
addEventListener("dragleave", () => (by_id("drop").hidden = --dragged <= 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", async (event) => {
  event.preventDefault();
  dragged = 0;
  by_id("drop").hidden = true;
  const [file] = event.dataTransfer.files;
  if (file) await open_file(file);
});
addEventListener("paste", async (event) => {
  const [file] = event.clipboardData.files;
  if (file) await open_file(file);
});

function change_language(language) {
  speak(language);
  if (failure) fail(failure.key, failure.values);
  if (engine?.build) show_build();
  if (model) show_model(model.info, model);
  show_found(last?.found ?? null);
  if (last) show_speed(last.timings, source?.moving ? per_second : 0);
}

function show_build() {
  const { simd, threads } = engine.build;
  by_id("build").textContent = text("build", {
    simd: text(simd ? "simd" : "no_simd"),
    threads: text(threads ? "threads" : "no_threads"),
  });
}

// ---- start

async function start() {
  change_language(first_language());
  busy("loading_opencv");
  const response = await fetch("installed/files.json").catch(() => null);
  if (!response?.ok) {
    busy(null);
    return fail("error_installed");
  }
  const { builds, version } = await response.json();
  engine = new Engine(builds);
  show_build();
  await load_embedded();
  if ("serviceWorker" in navigator) {
    const parameters = new URLSearchParams({ version, build: engine.build.file });
    navigator.serviceWorker.register(`service_worker.js?${parameters}`).catch(() => {});
  }
}

await start();
