// The errors a caller may want to catch: the Python package's, under the same names.

/** Anything this module refuses to do; its message is one sentence fit for a person. */
export class DetectorError extends Error {
  get name() {
    return this.constructor.name;
  }
}

/** The model file is damaged, without metadata, harmful, or at odds with what its network gives. */
export class ModelError extends DetectorError {}

/** An image or an argument cannot be used. */
export class InputError extends DetectorError {}

/** Make a foreign text fit for a message: at most `most` letters, and nothing that moves a cursor or hides. */
export function printable(text, most = 60) {
  const letters = Array.from(String(text));
  const shown = letters.length > most ? [...letters.slice(0, most), "…"] : letters;
  return shown
    .map((letter) => {
      if (!/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/u.test(letter)) return letter;
      return `\\u{${letter.codePointAt(0).toString(16)}}`;
    })
    .join("");
}
