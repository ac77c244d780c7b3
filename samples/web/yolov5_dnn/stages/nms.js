// Non-maximum suppression: of boxes that overlap too much, keep the one with the highest score.

const f32 = Math.fround;
const MAX_NMS = 30000; // only so many of the best candidates are looked at, as in YOLOv5

/**
 * Choose boxes greedily by score; suppress those whose IoU with a chosen one is above `iou_thres`.
 *
 * A box suppresses others of its own class only, or of all classes if `agnostic`. Equal scores are taken in
 * the order given. IoU is intersection / (area + area − intersection) in float32, as torchvision does it;
 * boxes without any area suppress nothing.
 *
 * @param {Candidates} candidates
 * @returns {number[]} the indices of the chosen ones, best first, at most `max_det`
 */
export function nms(candidates, iou_thres, max_det, agnostic = false) {
  const { xyxy, scores, class_ids } = candidates;
  const order = Array.from(scores.keys()).sort((i, j) => scores[j] - scores[i] || i - j).slice(0, MAX_NMS);
  const area = Float32Array.from(scores, (_, i) => {
    const [x1, y1, x2, y2] = xyxy.subarray(4 * i, 4 * i + 4);
    return f32(x2 - x1) * f32(y2 - y1);
  });

  const overlap = (i, j) => {
    const a = 4 * i, b = 4 * j;
    const width = f32(Math.min(xyxy[a + 2], xyxy[b + 2]) - Math.max(xyxy[a], xyxy[b]));
    const height = f32(Math.min(xyxy[a + 3], xyxy[b + 3]) - Math.max(xyxy[a + 1], xyxy[b + 1]));
    const intersection = f32(Math.max(width, 0) * Math.max(height, 0));
    const union = f32(f32(area[i] + area[j]) - intersection);
    return f32(intersection / union) > iou_thres; // 0 / 0 is not
  };

  const kept = [];
  for (const j of order) {
    if (kept.length >= max_det) break;
    if (!kept.some((i) => (agnostic || class_ids[i] === class_ids[j]) && overlap(i, j))) kept.push(j);
  }
  return kept;
}
