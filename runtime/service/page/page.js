// The page: a picture or the camera to the server, and what it found onto the picture.
"use strict";

const $ = (id) => document.getElementById(id);
const state = {picture: null, file: "picture.jpg", found: null, version: null, stream: null, language: "curl", asked: 0};
const MAX_SIDE = 1280; // of camera frames

async function ask(path, options = {}) {
  const token = $("token").value;
  const headers = {...options.headers, ...(token && {Authorization: `Bearer ${token}`})};
  const response = await fetch(path, {...options, headers});
  if (response.status === 401) $("token-row").hidden = false;
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.error || `the server says ${response.status}`);
  }
  return response;
}

function say(text) {
  $("message").textContent = text;
  $("message").hidden = !text;
}

async function showModels() {
  const index = await (await ask("/v2/repository/index", {method: "POST", body: '{"ready": true}'})).json();
  const kept = $("model").value;
  $("model").replaceChildren(...index.map(({name, version}) => new Option(`${name} · ${version}`, `${name}/${version}`)));
  if (index.some(({name, version}) => `${name}/${version}` === kept)) $("model").value = kept;
  $("health").textContent = index.length ? `${index.length} ready` : "no model";
  $("health").className = index.length ? "health good" : "health bad";
  await showModel();
}

async function showModel() {
  const [name, version] = $("model").value.split("/");
  const base = `/v2/models/${encodeURIComponent(name)}/versions/${version}`;
  const [metadata, config] = await Promise.all(
    [ask(base), ask(`${base}/config`)].map(async (response) => (await response).json()));
  const wanted = ["boxes", "scores", "class_ids", "names", "masks", "keypoints"];
  const outputs = metadata.outputs.map((output) => output.name).filter((each) => wanted.includes(each));
  const usual = (key) => JSON.parse(config.parameters[key]?.string_value ?? "null");
  state.version = {name, version, outputs};
  for (const [id, key] of [["conf", "conf_thres"], ["iou", "iou_thres"]]) {
    $(id).closest(".row").hidden = usual(key) === null;
    if (!$(id).dataset.touched && usual(key) !== null) $(id).value = usual(key);
  }
  showSettings();
}

function parameters() {
  const values = {};
  if (!$("conf").closest(".row").hidden) values.conf_thres = Number($("conf").value);
  if (!$("iou").closest(".row").hidden) values.iou_thres = Number($("iou").value);
  return values;
}

function showSettings() {
  for (const id of ["conf", "iou"]) document.querySelector(`output[for=${id}]`).textContent = Number($(id).value).toFixed(2);
  if (!state.version) return;
  const {name, version, outputs} = state.version;
  $("code").textContent = CODE[state.language]({
    origin: location.origin, host: location.host, secure: location.protocol === "https:", model: name, version, outputs,
    parameters: parameters(), file: state.file, token: !$("token-row").hidden,
  });
}

// One picture, an encoded file, to the model: the Open Inference Protocol with a binary tensor.
async function infer(blob) {
  const {name, version, outputs} = state.version;
  const header = new TextEncoder().encode(JSON.stringify({
    inputs: [{name: "image", shape: [1], datatype: "BYTES", parameters: {binary_data_size: blob.size + 4}}],
    outputs: outputs.map((output) => ({name: output})),
    parameters: parameters(),
  }));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, blob.size, true);
  const response = await ask(`/v2/models/${encodeURIComponent(name)}/versions/${version}/infer`, {
    method: "POST",
    headers: {"Inference-Header-Content-Length": String(header.length), "Content-Type": "application/octet-stream"},
    body: new Blob([header, length, blob]),
  });
  const answer = await response.json();
  return Object.fromEntries(answer.outputs.map(({name: output, shape, data}) => [output, rows(data, shape)]));
}

// A flat list as nested lists of that shape.
function rows(data, shape) {
  if (shape.length < 2) return data;
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  return Array.from({length: shape[0]}, (_, i) => rows(data.slice(i * size, (i + 1) * size), shape.slice(1)));
}

function show(chosen = -1) {
  $("canvas").hidden = false;
  $("invitation").hidden = true;
  $("drop").classList.add("full");
  drawFound($("canvas"), state.picture, state.found, chosen);
}

function showFound(milliseconds) {
  const {boxes, class_ids, names, scores} = state.found;
  const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
  $("found").hidden = !names.length;
  document.querySelector("th.last").textContent = boxes ? "Box" : "";
  $("found").tBodies[0].replaceChildren(...names.map((text, i) => {
    const row = element("tr"), name = element("td"), last = element("td", {className: "last"});
    const swatch = element("span", {className: "swatch"});
    swatch.style.background = css(classColour(class_ids[i]));
    name.append(swatch, text);
    if (boxes) last.textContent = boxes[i].map((edge) => Math.round(edge)).join(" ");
    else last.append(element("meter", {value: scores[i], ariaLabel: text}));
    row.append(name, element("td", {textContent: scores[i].toFixed(2)}), last);
    row.addEventListener("mouseenter", () => { row.className = "chosen"; if (boxes) show(i); });
    row.addEventListener("mouseleave", () => { row.className = ""; if (boxes) show(); });
    return row;
  }));
  const what = boxes ? `${names.length} found` : "most likely";
  $("summary").textContent = `${what} · ${Math.round(milliseconds)} ms there and back`;
}

async function look(blob, picture) {
  if (!state.version) return; // the models are still being asked for; then this is done again
  const mine = ++state.asked;
  $("busy").hidden = false;
  try {
    const started = performance.now();
    const found = await infer(blob);
    const milliseconds = performance.now() - started;
    if (mine !== state.asked) return; // a newer picture, or newer thresholds
    Object.assign(state, {picture, found});
    say("");
    show();
    showFound(milliseconds);
  } catch (error) {
    if (mine === state.asked) say(error.message);
  } finally {
    if (mine === state.asked) $("busy").hidden = true;
  }
}

let current = null; // the file that is shown

async function open(file) {
  stopCamera();
  try {
    const picture = await createImageBitmap(file);
    current = {file, picture};
    Object.assign(state, {picture, found: null, file: file.name || "picture.png"});
    $("save").hidden = false;
    show();
    showSettings();
    await look(file, picture);
  } catch {
    say("This browser cannot read the file as a picture.");
  }
}

const again = () => { if (current && !state.stream) look(current.file, current.picture); };

async function startCamera() {
  if (!navigator.mediaDevices) throw new Error("Browsers give the camera to https:// pages and to localhost only.");
  state.stream = await navigator.mediaDevices.getUserMedia({video: {facingMode: "environment", width: {ideal: MAX_SIDE}}});
  const video = $("video");
  video.srcObject = state.stream;
  await video.play();
  $("camera").textContent = "Stop the camera";
  $("save").hidden = false;
  while (state.stream) {
    const frame = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    frame.getContext("2d").drawImage(video, 0, 0);
    const blob = await frame.convertToBlob({type: "image/jpeg", quality: 0.85});
    await look(blob, frame);
    await new Promise((resolve) => setTimeout(resolve, $("message").hidden ? 0 : 1000)); // let a full server breathe
  }
}

function stopCamera() {
  state.stream?.getTracks().forEach((track) => track.stop());
  state.stream = null;
  $("camera").textContent = "Use the camera";
}

$("file").addEventListener("change", () => { if ($("file").files[0]) open($("file").files[0]); $("file").value = ""; });
$("camera").addEventListener("click", () => {
  if (state.stream) stopCamera();
  else startCamera().catch((error) => { stopCamera(); say(`No camera: ${error.message}`); });
});
for (const kind of ["dragenter", "dragover"]) {
  document.addEventListener(kind, (event) => { event.preventDefault(); $("drop").classList.add("over"); });
}
for (const kind of ["dragleave", "drop"]) document.addEventListener(kind, () => $("drop").classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
document.addEventListener("paste", (event) => { if (event.clipboardData.files[0]) open(event.clipboardData.files[0]); });
$("settings").addEventListener("submit", (event) => event.preventDefault());
for (const id of ["conf", "iou"]) {
  $(id).addEventListener("input", () => { $(id).dataset.touched = "yes"; showSettings(); });
  $(id).addEventListener("change", again);
}
$("model").addEventListener("change", () => showModel().then(again, (error) => say(error.message)));
$("token").addEventListener("change", () => showModels().then(again, (error) => say(error.message)));
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.addEventListener("click", () => {
    state.language = tab.dataset.language;
    for (const each of document.querySelectorAll("[role=tab]")) each.setAttribute("aria-selected", String(each === tab));
    showSettings();
  });
}
$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText($("code").textContent);
  $("copy").textContent = "Copied";
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
});
$("save").addEventListener("click", () => $("canvas").toBlob((blob) => {
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: "found.png"});
  link.click();
  URL.revokeObjectURL(link.href);
}));
showModels().then(again).catch((error) => { $("health").textContent = "not available"; $("health").className = "health bad"; say(error.message); });
