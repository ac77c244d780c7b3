// Reading the text of printed codes that the detector found: by the browser's own BarcodeDetector where there is
// one, else, and where that reads nothing, by zxing-cpp.

const MARGIN = 0.15; // readers want the quiet zone around a code
const SMALL = 300, ENLARGE = 4; // pixels: a smaller cut-out is enlarged, up to so many times
const CUT_MAX = 1600; // pixels: a larger one is made smaller

// What the embedded model calls a code: the formats as zxing-cpp and as BarcodeDetector call them.
const FORMATS = {
  qr_code: { zxing: ["QRCode"], browser: ["qr_code"] },
  data_matrix: { zxing: ["DataMatrix"], browser: ["data_matrix"] },
  aztec: { zxing: ["Aztec"], browser: ["aztec"] },
  pdf417: { zxing: ["PDF417"], browser: ["pdf417"] },
  barcode: {
    zxing: ["AllLinear"],
    browser: ["codabar", "code_39", "code_93", "code_128", "ean_8", "ean_13", "itf", "upc_a", "upc_e"],
  },
};

/** Say whether a class of this name is a code that can be read. */
export function is_readable(name) {
  return Object.hasOwn(FORMATS, name);
}

/**
 * Read the codes among detections of a picture: gives those that can be read a field `text`, "" if it was not.
 *
 * @param {object} cv OpenCV.js
 * @param {ImageData} image the picture
 * @param {object[]} detections from `Detector.detect`
 */
export async function read_codes(cv, image, detections) {
  for (const detection of detections) {
    if (!is_readable(detection.name)) continue;
    const { zxing, browser } = FORMATS[detection.name];
    const views = cut_out(cv, image, detection.box);
    detection.text = await read_with_browser(views[0], browser);
    for (const view of views) detection.text ||= await read_with_zxing(view, zxing);
  }
}

/**
 * Cut a box with its margin out of the picture, a small one enlarged. Returns two ImageData: in grey, and with
 * more contrast, for codes that have little.
 */
function cut_out(cv, image, [x1, y1, x2, y2]) {
  const dx = MARGIN * (x2 - x1) + 2, dy = MARGIN * (y2 - y1) + 2;
  const left = Math.max(0, Math.trunc(x1 - dx)), top = Math.max(0, Math.trunc(y1 - dy));
  const right = Math.min(image.width, Math.trunc(x2 + dx) + 1), bottom = Math.min(image.height, Math.trunc(y2 + dy) + 1);
  const width = Math.max(1, right - left), height = Math.max(1, bottom - top);
  const longer = Math.max(width, height);
  const scale = Math.min(ENLARGE, Math.max(1, SMALL / longer), CUT_MAX / longer);

  const cut = new cv.Mat(height, width, cv.CV_8UC4), grey = new cv.Mat(), clear = new cv.Mat();
  const contrast = new cv.CLAHE(4, new cv.Size(8, 8));
  try {
    for (let y = 0; y < height; y++) {
      const start = 4 * ((top + y) * image.width + left);
      cut.data.set(image.data.subarray(start, start + 4 * width), 4 * width * y);
    }
    cv.resize(cut, cut, new cv.Size(0, 0), scale, scale, cv.INTER_CUBIC);
    cv.cvtColor(cut, grey, cv.COLOR_RGBA2GRAY);
    contrast.apply(grey, clear);
    return [grey, clear].map((view) => {
      cv.cvtColor(view, cut, cv.COLOR_GRAY2RGBA);
      return new ImageData(new Uint8ClampedArray(cut.data), cut.cols, cut.rows);
    });
  } finally {
    for (const each of [cut, grey, clear, contrast]) each.delete();
  }
}

let supported = null;

async function read_with_browser(view, formats) {
  if (typeof BarcodeDetector !== "function") return "";
  try {
    supported ??= await BarcodeDetector.getSupportedFormats();
    const usable = formats.filter((format) => supported.includes(format));
    if (!usable.length) return "";
    const found = await new BarcodeDetector({ formats: usable }).detect(view);
    return found.find((code) => code.rawValue)?.rawValue ?? "";
  } catch {
    return ""; // some browsers have the class but not the service behind it
  }
}

let zxing = null;

async function read_with_zxing(view, formats) {
  zxing ??= load_zxing();
  const { readBarcodes } = await zxing;
  const results = await readBarcodes(view, { formats, maxNumberOfSymbols: 1 });
  return results.find((result) => result.text)?.text ?? "";
}

async function load_zxing() {
  const folder = new URL("../node_modules/zxing-wasm/dist/", import.meta.url);
  const module = await import(new URL("es/reader/index.js", folder));
  module.prepareZXingModule({ overrides: { locateFile: (name) => new URL(`reader/${name}`, folder).href } });
  return module;
}
