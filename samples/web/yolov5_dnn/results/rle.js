// Masks as COCO writes them: run lengths down the columns, in a short text.
//
// https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c documents the format: the lengths of runs of
// 0 and 1 in turn, beginning with 0, column by column. From the fourth on, each is written as its difference from the
// one before the last; then in groups of five bits, lowest first, a sixth bit telling that more follow, each group a
// letter from "0" on.

/** Write a mask, {left, top, width, height, data, size}, as {size: [h, w], counts: text}. */
export function encode({ left, top, width, height, data, size }) {
  const counts = [];
  let value = 0, since = 0; // of the run, and where it began
  const put = (next, position) => {
    if (next === value) return;
    counts.push(position - since);
    since = position;
    value = next;
  };
  for (let x = 0; x < width; x++) {
    const foot = (left + x) * size[0] + top;
    for (let y = 0; y < height; y++) put(data[y * width + x], foot + y);
    if (height < size[0]) put(0, foot + height); // below the bitmap
  }
  const end = size[0] * size[1];
  put(0, (left + width) * size[0]);
  if (since < end) counts.push(end - since);
  return { size, counts: to_text(counts) };
}

function to_text(counts) {
  let text = "";
  counts.forEach((count, i) => {
    let value = i > 2 ? count - counts[i - 2] : count;
    for (let more = true; more; ) {
      const group = value & 31;
      value >>= 5; // keeps the sign
      more = value !== (group & 16 ? -1 : 0);
      text += String.fromCharCode(48 + (more ? group | 32 : group));
    }
  });
  return text;
}
