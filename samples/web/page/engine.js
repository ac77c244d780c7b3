// The page's end of the worker: starts it, starts it again after it has died, and waits for its answers.

import { choose_build } from "./opencv.js";

/** What the worker could not do, in one sentence. */
export class EngineError extends Error {}

export class Engine {
  #builds; // without those that could not be loaded
  #worker = null;
  #waiting = new Map(); // id: {resolve, reject}
  #last_id = 0;
  #ready = null; // a promise: OpenCV and the model are loaded
  #model = null; // {bytes, path} of the last one that could be loaded
  #has_picture = false;

  /** builds: what there is of OpenCV.js, from installed/files.json. */
  constructor(builds) {
    this.#builds = builds;
  }

  /** The build in use. */
  get build() {
    return choose_build(this.#builds);
  }

  /** Load a model file, a Uint8Array. Returns what it says about itself. Throws EngineError. */
  async load(bytes, path) {
    await this.#start();
    const { info } = await this.#send({ action: "load", bytes, path });
    this.#model = { bytes, path };
    return info;
  }

  /** Look at a bitmap; without `changed` it is the one of the last call. Throws EngineError. */
  async look(bitmap, settings, changed = true) {
    await this.#start();
    const answer = this.#send({ action: "look", bitmap: changed || !this.#has_picture ? bitmap : null, settings });
    this.#has_picture = true;
    return answer;
  }

  #start() {
    this.#ready ??= this.#start_worker();
    return this.#ready;
  }

  async #start_worker() {
    const worker = new Worker(new URL("../worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = (event) => this.#end(event.message || "the worker could not be loaded");
    const { build } = this;
    try {
      await this.#send({ action: "start", url: new URL(`../${build.file}`, import.meta.url).href });
    } catch (error) {
      // A phone may have no room for the shared memory of threads, say. The next build needs less.
      const others = this.#builds.filter((each) => each !== build);
      if (!choose_build(others)) throw error;
      this.#builds = others;
      return this.#start();
    }
    if (this.#model) await this.#send({ action: "load", ...this.#model });
  }

  #send(message) {
    const id = ++this.#last_id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage({ id, ...message });
    });
  }

  #hear({ id, error, fatal, ...answer }) {
    const asked = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) asked.resolve(answer);
    else asked.reject(new EngineError(error));
    if (fatal) this.#end(error);
  }

  /** The worker is of no more use. */
  #end(reason) {
    this.#worker.terminate();
    this.#ready = null;
    this.#has_picture = false;
    for (const { reject } of this.#waiting.values()) reject(new EngineError(reason));
    this.#waiting.clear();
  }
}
