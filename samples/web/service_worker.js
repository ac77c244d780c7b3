// Keeps all that the page needs, so that it works without a network after the first visit.
//
// The page registers it with ?version=…, a hash of all files, and &build=…, the build of OpenCV.js that it runs: another
// version or build is another service worker, which fetches everything anew into a cache of its own.

const parameters = new URL(self.location).searchParams;
const CACHE = `yolov5-dnn ${parameters.get("version")} ${parameters.get("build")}`;
const PREFIX = "yolov5-dnn ";

async function keep_all() {
  const { builds, files } = await (await fetch("installed/files.json", { cache: "no-cache" })).json();
  const cache = await caches.open(CACHE);

  const build = builds.find(({ file }) => file === parameters.get("build"));
  const all = ["./", "installed/files.json", ...files, ...build.files];
  await cache.addAll(all.map((file) => new Request(file, { cache: "no-cache" })));
  await self.skipWaiting();
}

async function clean_up() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await self.clients.claim();
}

/** Large files, whose content goes with the version, come from the cache; all others from there only without a network. */
async function answer(request) {
  const cache = await caches.open(CACHE);
  if (/\/(node_modules|opencv)\/|\.onnx$/.test(new URL(request.url).pathname)) {
    return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
  }
  try {
    return await fetch(request);
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("install", (event) => event.waitUntil(keep_all()));
self.addEventListener("activate", (event) => event.waitUntil(clean_up()));
self.addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(self.registration.scope)) event.respondWith(answer(event.request));
});
