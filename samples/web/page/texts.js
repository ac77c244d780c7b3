// What the page says, in English and Chinese.

const TEXTS = {
  en: {
    title: "YOLOv5 in the browser",
    tagline: "Nothing leaves this device.",
    other_language: "中文",
    empty: "Choose the camera or a file, or drop a picture, a video or a converted model (.onnx) here.",
    try_sample: "Try a sample picture",
    drop_here: "Drop it here",
    loading_opencv: "Loading OpenCV …",
    loading_model: "Loading the model …",
    camera: "Camera",
    switch_camera: "Other camera",
    open: "Picture or video",
    stop: "Stop",
    save_picture: "Save picture",
    save_json: "Save JSON",
    found: "Found",
    nothing_yet: "Nothing yet.",
    nothing_found: "Nothing found.",
    not_read: "not read",
    copy: "Copy",
    copied: "Copied",
    settings: "Settings",
    confidence: "Confidence",
    confidence_hint: "Show only what scores above it",
    overlap: "Overlap",
    overlap_hint: "Boxes of one class that overlap more lose the worse one",
    size: "Input size",
    size_hint: "Larger finds smaller things and takes longer",
    tiles: "Tiles, too: for small things in large pictures, at several times the time",
    read_codes: "Read the codes",
    classes: "Classes",
    find_class: "Find a class",
    all: "All",
    none: "None",
    model: "Model",
    choose_model: "Choose a model (.onnx)",
    embedded_model: "Use the embedded model",
    embedded: "embedded: printed codes",
    classes_count: "{n} classes",
    trained_as: "from {file}",
    speed: "Speed",
    per_second: "{n} pictures a second",
    letterbox: "Letterbox",
    forward: "Network",
    decode: "Decode",
    nms: "NMS",
    read: "Reading",
    total: "Total",
    build: "OpenCV.js: {simd}, {threads}",
    simd: "SIMD",
    no_simd: "without SIMD",
    threads: "threads",
    no_threads: "one thread",
    licences: "Licences",
    picture_of: "Picture with {n} boxes",
    summary: "{n} found",
    error_camera_refused: "The camera was refused: allow it in the browser's settings for this page, or choose a file.",
    error_camera_none: "There is no camera here; choose a picture or a video instead.",
    error_camera_busy: "The camera cannot be used: another program may have it.",
    error_camera_insecure: "A camera needs a secure page: open it through https or on localhost.",
    error_file: "{name} is neither a picture nor a video that this browser can show, nor a model (.onnx).",
    error_too_large: "{name} has more than 100 million pixels, which is too large for a browser.",
    error_model: "This model cannot be used. {reason}",
    error_detect: "Detection failed. {reason}",
    error_start: "OpenCV.js could not be loaded. {reason}",
    error_installed: "The page is not complete: run “npm ci” in samples/web first.",
    error_sample: "The sample picture could not be loaded.",
    error_save: "The picture could not be saved.",
  },
  zh: {
    title: "浏览器中的 YOLOv5",
    tagline: "数据不会离开本设备。",
    other_language: "English",
    empty: "请选择摄像头或文件，或将图片、视频、转换后的模型（.onnx）拖到这里。",
    try_sample: "试用示例图片",
    drop_here: "松开即可打开",
    loading_opencv: "正在加载 OpenCV…",
    loading_model: "正在加载模型…",
    camera: "摄像头",
    switch_camera: "切换摄像头",
    open: "图片或视频",
    stop: "停止",
    save_picture: "保存图片",
    save_json: "保存 JSON",
    found: "检测结果",
    nothing_yet: "暂无结果。",
    nothing_found: "未检测到目标。",
    not_read: "未能读出",
    copy: "复制",
    copied: "已复制",
    settings: "设置",
    confidence: "置信度",
    confidence_hint: "只显示得分更高的目标",
    overlap: "重叠",
    overlap_hint: "同类框重叠超过此值时，只保留得分高的",
    size: "输入尺寸",
    size_hint: "越大越能发现小目标，但更慢",
    tiles: "同时分块检测：适合大图中的小目标，耗时数倍",
    read_codes: "读取码的内容",
    classes: "类别",
    find_class: "查找类别",
    all: "全选",
    none: "全不选",
    model: "模型",
    choose_model: "选择模型（.onnx）",
    embedded_model: "使用内置模型",
    embedded: "内置：印刷码",
    classes_count: "{n} 个类别",
    trained_as: "来自 {file}",
    speed: "速度",
    per_second: "每秒 {n} 帧",
    letterbox: "缩放填充",
    forward: "网络",
    decode: "解码",
    nms: "NMS",
    read: "读码",
    total: "合计",
    build: "OpenCV.js：{simd}，{threads}",
    simd: "SIMD",
    no_simd: "无 SIMD",
    threads: "多线程",
    no_threads: "单线程",
    licences: "许可证",
    picture_of: "图片，含 {n} 个框",
    summary: "检测到 {n} 个",
    error_camera_refused: "摄像头权限被拒绝：请在浏览器中允许本页使用摄像头，或选择文件。",
    error_camera_none: "未找到摄像头，请改选图片或视频。",
    error_camera_busy: "摄像头无法使用：可能被其他程序占用。",
    error_camera_insecure: "摄像头只能在安全页面中使用：请通过 https 或 localhost 打开。",
    error_file: "{name} 不是本浏览器能显示的图片或视频，也不是模型（.onnx）。",
    error_too_large: "{name} 超过一亿像素，浏览器无法处理。",
    error_model: "无法使用该模型。{reason}",
    error_detect: "检测失败。{reason}",
    error_start: "无法加载 OpenCV.js。{reason}",
    error_installed: "页面不完整：请先在 samples/web 中运行 “npm ci”。",
    error_sample: "无法加载示例图片。",
    error_save: "无法保存图片。",
  },
};

let language = "en";

/** Choose a language: the one chosen before, else the browser's. */
export function first_language() {
  const chosen = remembered() ?? navigator.languages?.find((each) => /^(en|zh)/i.test(each)) ?? "en";
  return chosen.slice(0, 2).toLowerCase();
}

function remembered() {
  try {
    return localStorage.getItem("language");
  } catch {
    return null; // storage may be forbidden
  }
}

/** Give a text, its {placeholders} filled in. */
export function text(key, values = {}) {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Speak a language, "en" or "zh": fill all elements that have data-text, data-label or data-placeholder. */
export function speak(next) {
  language = next;
  try {
    localStorage.setItem("language", next);
  } catch {
    // it is not remembered then
  }
  document.documentElement.lang = next === "zh" ? "zh-Hans" : "en";
  document.title = `${text("title")} · yolov5-dnn`;
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const element of document.querySelectorAll("[data-placeholder]")) element.placeholder = text(element.dataset.placeholder);
}

/** The language that the page does not speak now. */
export function other_language() {
  return language === "en" ? "zh" : "en";
}
