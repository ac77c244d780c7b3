// Text that others wrote, made fit to be shown: class names, operators' names, OpenCV's own messages.

const MOST = 200; // characters of one text in a message

// Control characters, with line breaks and the escape that starts a terminal's commands; what turns the direction of
// writing; other invisible letters; halves of characters. The joiners U+200C and U+200D stay: Persian and emoji need
// them.
const HIDDEN =
  /[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\ufffe\uffff\u{e0000}-\u{e007f}]/gu;
const TWO_LETTERS = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * Write control characters, line breaks and invisible letters as escapes such as `\x1b`.
 *
 * Of a longer text than `most` characters the first ones stay, and "…" says so.
 */
export function escape(text, most = MOST) {
  const head = text.slice(0, 2 * most + 2); // of megabytes, only these may count
  const letters = Array.from(head);
  const cut = letters.length > most ? letters.slice(0, most - 1).join("") + "…" : head;
  return cut.replace(HIDDEN, (letter) => TWO_LETTERS[letter] ?? escape_code(letter.codePointAt(0)));
}

function escape_code(code) {
  const [start, digits] = code < 0x100 ? ["\\x", 2] : code < 0x10000 ? ["\\u", 4] : ["\\U", 8];
  return start + code.toString(16).padStart(digits, "0");
}
