// The picture and the boxes over it.

import { draw, draw_classes } from "../yolov5_dnn.js";

const LINE = 2, LETTERS = 12; // CSS pixels

export class Stage {
  #stage = document.getElementById("stage");
  #frame = document.getElementById("frame");
  #picture = document.getElementById("picture");
  #overlay = document.getElementById("overlay");
  #bitmap = null; // of a still picture
  #kind = "detections";
  #found = [];
  #width = 0;

  constructor() {
    new ResizeObserver(() => this.#redraw()).observe(this.#frame);
  }

  /** Make room for pictures of a size; `bitmap` is shown, or without one the video. */
  open(width, height, bitmap = null) {
    this.#bitmap = bitmap;
    this.#found = [];
    this.#resize(width, height);
    this.#stage.dataset.shows = bitmap ? "picture" : "video";
    this.#redraw();
  }

  /** Show what was found in a picture of a size: "detections" or "classes". */
  show(kind, found, width, height) {
    this.#kind = kind;
    this.#found = found;
    this.#resize(width, height);
    this.#redraw();
  }

  /** Show nothing. */
  clear() {
    this.#stage.dataset.shows = "nothing";
    this.#found = [];
    this.#bitmap = null;
  }

  #resize(width, height) {
    this.#width = width;
    this.#frame.style.setProperty("--ratio", width / height);
  }

  #redraw() {
    const { clientWidth, clientHeight } = this.#frame;
    if (!clientWidth || !this.#width) return;
    const density = window.devicePixelRatio || 1;
    for (const canvas of [this.#overlay, this.#picture]) {
      if (canvas === this.#picture && !this.#bitmap) continue;
      canvas.width = Math.round(clientWidth * density); // setting it clears the canvas
      canvas.height = Math.round(clientHeight * density);
    }
    if (this.#bitmap) {
      const context = this.#picture.getContext("2d");
      context.imageSmoothingQuality = "high";
      context.drawImage(this.#bitmap, 0, 0, this.#picture.width, this.#picture.height);
    }
    const look = {
      scale: this.#overlay.width / this.#width,
      line: Math.round(LINE * density),
      size: Math.round(LETTERS * density),
    };
    (this.#kind === "classes" ? draw_classes : draw)(this.#overlay.getContext("2d"), this.#found, look);
  }
}
