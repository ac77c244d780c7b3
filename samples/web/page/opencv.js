// Choosing and loading a build of OpenCV.js.

// The smallest module that uses a SIMD instruction: a function that makes a vector of a number.
const SIMD = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
);

/** Choose the first of `builds`, {file, simd, threads}, that this browser can run. */
export function choose_build(builds) {
  const simd = WebAssembly.validate(SIMD);
  const threads = Boolean(globalThis.crossOriginIsolated) && typeof SharedArrayBuffer === "function";
  return builds.find((build) => (simd || !build.simd) && (threads || !build.threads));
}

const MOST_THREADS = 4; // as many as build-opencv.sh makes ready: OpenCV would wait for any further one for ever

/**
 * Load a build of OpenCV.js from its URL.
 *
 * @param {object} options for Emscripten
 * @param {number} threads how many a build with threads uses
 */
export async function load_opencv(url, options = {}, threads = globalThis.navigator?.hardwareConcurrency ?? 1) {
  const { default: factory } = await import(url);
  const cv = await factory({ locateFile: (name) => new URL(name, url).href, ...options });
  cv.parallel_pthreads_set_threads_num?.(Math.min(threads, MOST_THREADS));
  return cv;
}
