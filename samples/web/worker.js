// The network, off the page's thread. The page sends {id, action, …} and is sent {id, …} back, or {id, error,
// fatal}: after a fatal one this worker is of no more use.

import { read_codes } from "./page/codes.js";
import { load_opencv } from "./page/opencv.js";
import { Detector, DetectorError } from "./yolov5_dnn.js";

let cv = null;
let detector = null;
let picture = null; // the last one, ImageData

const actions = {
  /** Load a build of OpenCV.js. */
  async start({ url }) {
    cv = await load_opencv(url);
    return {};
  },

  /** Load a model file in place of the one before. */
  async load({ bytes, path }) {
    const next = await Detector.load(cv, bytes, { path });
    detector?.dispose();
    detector = next;
    const { names, imgsz, size_multiple, source, producer, task } = detector.info;
    return { info: { names, imgsz, size_multiple, source, producer, task, free_size: detector.free_size } };
  },

  /** Detect in a bitmap or, without one, in the last one again. */
  async detect({ bitmap, settings }) {
    if (bitmap) {
      picture = pixels(bitmap);
      bitmap.close();
    }
    detector.conf_thres = settings.conf_thres;
    detector.iou_thres = settings.iou_thres;
    detector.choose_classes(settings.classes);
    detector.choose_size(settings.imgsz);
    const timings = {};
    const detections = detector.detect(picture, timings);
    if (settings.read) {
      const start = performance.now();
      await read_codes(cv, picture, detections);
      timings.read = performance.now() - start;
    }
    const { width, height } = picture;
    const probe = new cv.Mat();
    const memory = probe.data.buffer.byteLength; // of OpenCV, in bytes
    probe.delete();
    return { detections, timings, width, height, memory };
  },
};

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
