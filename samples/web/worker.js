// The network, off the page's thread. The page sends {id, action, …} and is sent {id, …} back, or {id, error,
// fatal}: after a fatal one this worker is of no more use.

import { read_codes } from "./page/codes.js";
import { load_opencv } from "./page/opencv.js";
import { DetectorError, load_model } from "./yolov5_dnn.js";

let cv = null;
let model = null; // a Detector or a Classifier
let picture = null; // the last one, ImageData

const actions = {
  /** Load a build of OpenCV.js; `threads` is how many it is to use, by default as many as the device has. */
  async start({ url, threads }) {
    cv = await load_opencv(url, {}, threads);
    return { threads: cv.parallel_pthreads_get_threads_num?.() ?? 1 };
  },

  /** Load a model file in place of the one before. */
  async load({ bytes, path }) {
    const next = await load_model(cv, bytes, { path });
    model?.dispose();
    model = next;
    const { names, imgsz, size_multiple, source, producer, task } = model.info;
    const { settings: { conf_thres, iou_thres } = {}, free_size = false } = model;
    return { info: { names, imgsz, size_multiple, source, producer, task: task.name, free_size, conf_thres, iou_thres } };
  },

  /** Look at a bitmap or, without one, at the last one again. Found are detections or, by a classifier, classes. */
  async look({ bitmap, settings }) {
    if (bitmap) {
      picture = pixels(bitmap);
      bitmap.close();
    }
    const timings = {};
    const answer = model.detect ? await detect(settings, timings) : classify(timings);
    const { width, height } = picture;
    const probe = new cv.Mat();
    const memory = probe.data.buffer.byteLength; // of OpenCV, in bytes
    probe.delete();
    return { ...answer, timings, width, height, memory };
  },
};

async function detect(settings, timings) {
  const { conf_thres, iou_thres, classes } = settings;
  model.choose_size(settings.imgsz);
  model.choose_tiles(settings.tiles);
  const found = model.detect(picture, { conf_thres, iou_thres, classes }, timings);
  if (settings.read) {
    const start = performance.now();
    await read_codes(cv, picture, found);
    timings.read = performance.now() - start;
  }
  return { kind: "detections", found };
}

function classify(timings) {
  const start = performance.now();
  const found = model.classify(picture);
  timings.forward = performance.now() - start;
  return { kind: "classes", found };
}

let canvas = null;

/** Get a bitmap's pixels, as ImageData. */
function pixels(bitmap) {
  const { width, height } = bitmap;
  if (canvas?.width !== width || canvas?.height !== height) canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.globalCompositeOperation = "copy";
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height);
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, ...(await actions[data.action](data)) });
  } catch (error) {
    const expected = error instanceof DetectorError && !error.cause;
    self.postMessage({ id: data.id, error: String(error?.message ?? error), fatal: !expected });
  }
};
