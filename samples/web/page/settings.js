// The controls: what to look for, and how.

import { is_readable } from "./codes.js";
import { text } from "./texts.js";

const MANY = 12; // classes: with more, there is a field to find one

const by_id = (id) => document.getElementById(id);
const confidence = by_id("confidence");
const overlap = by_id("overlap");
const size = by_id("size");
const read = by_id("read");
const tiles = by_id("tiles");
const classes = by_id("classes");
const find_class = by_id("find_class");

const SIZES = [160, 224, 320, 416, 512, 640, 800, 960, 1280];

export class Settings {
  #boxes = [];

  /** changed: called when the user has changed anything. */
  constructor(changed) {
    for (const slider of [confidence, overlap]) {
      slider.oninput = () => {
        show_value(slider);
        changed();
      };
      show_value(slider);
    }
    size.onchange = read.onchange = tiles.onchange = changed;
    classes.onchange = changed;
    by_id("all_classes").onclick = () => this.#check_all(true, changed);
    by_id("no_classes").onclick = () => this.#check_all(false, changed);
    find_class.oninput = () => {
      const wanted = find_class.value.trim().toLowerCase();
      for (const box of this.#boxes) box.parentElement.hidden = !box.dataset.name.toLowerCase().includes(wanted);
    };
  }

  /** Offer the classes and sizes of a model. */
  fit({ names, imgsz, free_size, size_multiple, task, conf_thres, iou_thres }) {
    const detects = task !== "classify";
    for (const id of ["settings", "class_filter"]) by_id(id).hidden = !detects;
    for (const [slider, value] of [[confidence, conf_thres], [overlap, iou_thres]]) {
      if (detects) slider.value = value;
      show_value(slider);
    }
    this.#boxes = names.map((name, id) => {
      const box = document.createElement("input");
      box.type = "checkbox";
      box.checked = true;
      box.value = id;
      box.dataset.name = name;
      return box;
    });
    classes.replaceChildren(
      ...this.#boxes.map((box) => {
        const label = document.createElement("label");
        label.append(box, document.createTextNode(box.dataset.name));
        return label;
      }),
    );
    find_class.hidden = names.length <= MANY;
    find_class.value = "";
    by_id("read_line").hidden = !names.some(is_readable);

    const own = Math.max(...imgsz);
    const sizes = new Set([...(free_size ? SIZES.filter((side) => side % size_multiple === 0) : []), own]);
    const options = [...sizes].sort((a, b) => a - b).map((side) => new Option(side, side, side === own, side === own));
    size.replaceChildren(...options);
    size.disabled = !free_size;
    size.dataset.own = own;
  }

  /** What the worker wants to know. */
  get values() {
    const chosen = this.#boxes.filter((box) => box.checked).map((box) => Number(box.value));
    return {
      conf_thres: Number(confidence.value),
      iou_thres: Number(overlap.value),
      imgsz: size.value === size.dataset.own ? null : Number(size.value),
      tiles: tiles.checked ? Number(size.value) : null,
      classes: chosen.length === this.#boxes.length ? null : chosen,
      read: read.checked && this.#boxes.some((box) => is_readable(box.dataset.name)),
    };
  }

  #check_all(checked, changed) {
    for (const box of this.#boxes) if (!box.parentElement.hidden) box.checked = checked;
    changed();
  }
}

function show_value(slider) {
  by_id(`${slider.id}_value`).textContent = Number(slider.value).toFixed(2);
}

/** Show what a model says about itself. */
export function show_model(info, { embedded, path }) {
  by_id("model_name").textContent = embedded ? text("embedded") : path;
  by_id("embedded_model").hidden = embedded;
  const facts = [text("classes_count", { n: info.names.length }), `${info.imgsz[1]} × ${info.imgsz[0]}`];
  if (info.source?.file) facts.push(text("trained_as", { file: String(info.source.file) }));
  by_id("model_facts").textContent = facts.join(" · ");
}
