// Where pictures come from: a picture file, a video file, a camera. A source has
//   name: a file name, or "camera"
//   moving: whether there are more pictures to come
//   width, height: of its pictures
//   grab(): an ImageBitmap of what it shows now
//   close()

const MAX_PIXELS = 100_000_000;

/** A source that cannot be used; `key` is one of the page's texts. */
export class SourceError extends Error {
  constructor(key, values) {
    super(key);
    this.key = key;
    this.values = values;
  }
}

// Neither turned into the screen's colours nor multiplied by alpha: the bytes that OpenCV reads, too.
const BITMAP = { colorSpaceConversion: "none", premultiplyAlpha: "none" };

/** Open a picture file. */
export async function open_picture(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, BITMAP);
  } catch {
    throw new SourceError("error_file", { name: file.name });
  }
  const { width, height } = bitmap;
  if (width * height > MAX_PIXELS) throw new SourceError("error_too_large", { name: file.name });
  return { name: file.name, moving: false, width, height, grab: async () => bitmap, close: () => {} };
}

/** Open a video file in the page's video element. */
export async function open_video(file, video) {
  const url = URL.createObjectURL(file);
  video.srcObject = null;
  video.src = url;
  video.loop = true;
  video.controls = true;
  const close = () => {
    stop(video);
    URL.revokeObjectURL(url);
  };
  try {
    await started(video);
  } catch {
    close();
    throw new SourceError("error_file", { name: file.name });
  }
  return moving(file.name, video, close);
}

/** Open a camera; facing: "environment" (back) or "user" (front); device_id: a certain one. */
export async function open_camera(video, { facing = "environment", device_id = null } = {}) {
  if (!navigator.mediaDevices?.getUserMedia) throw new SourceError("error_camera_insecure");
  const which = device_id ? { deviceId: { exact: device_id } } : { facingMode: { ideal: facing } };
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: false,
      video: { ...which, width: { ideal: 1280 }, height: { ideal: 720 } },
    });
  } catch (error) {
    const keys = { NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "none", OverconstrainedError: "none" };
    throw new SourceError(`error_camera_${keys[error.name] ?? "busy"}`);
  }
  video.removeAttribute("src");
  video.srcObject = stream;
  video.controls = false;
  const close = () => {
    for (const track of stream.getTracks()) track.stop();
    stop(video);
  };
  try {
    await started(video);
  } catch {
    close();
    throw new SourceError("error_camera_busy");
  }
  const { facingMode, deviceId } = stream.getVideoTracks()[0].getSettings();
  return { ...moving("camera", video, close), facing: facingMode, device_id: deviceId };
}

/** The ids of all cameras. */
export async function list_cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind }) => kind === "videoinput").map(({ deviceId }) => deviceId);
}

function moving(name, video, close) {
  const source = { name, moving: true, grab: () => createImageBitmap(video, BITMAP), close };
  for (const [side, of_video] of [["width", "videoWidth"], ["height", "videoHeight"]]) {
    Object.defineProperty(source, side, { get: () => video[of_video], enumerable: true }); // a phone may be turned
  }
  return source;
}

async function started(video) {
  video.muted = true;
  video.playsInline = true;
  await video.play();
}

function stop(video) {
  video.pause();
  video.srcObject = null;
  video.removeAttribute("src");
  video.load();
}
