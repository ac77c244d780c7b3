// A bounded reader of protobuf messages: their fields, by number, out of bytes that nobody vouches for.
//
// Wire format: https://protobuf.dev/programming-guides/encoding/
// Only what a model file may hold is read: no groups, no field that occurs twice although it may only once, no
// field of another wire type than its own.

export const VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5; // wire types
export const MAX_FIELDS = 500_000; // of a whole file; the largest YOLOv5 has about 30,000
export const MAX_NAME = 1024; // bytes

const WIRE_TYPES = { int: VARINT, float: FIXED32, name: BYTES, span: BYTES };

/** The bytes aren't a protobuf message, or not the one that was expected. */
export class WireError extends Error {}

/**
 * Say which fields of a message are read: { label: [number, value, "many"], … }.
 *
 * value: "int" (int64, as a Number: past 2^53 its low bits are lost), "float", "name" (at most MAX_NAME bytes, as a
 * text of one letter for each byte) or "span", for messages and long values, which are only located; "many" stands
 * where the field may occur many times.
 */
export function kinds(fields) {
  const by_number = Object.entries(fields).map(([label, [number, value, many]]) => [number, { label, value, many: many === "many" }]);
  return new Map(by_number);
}

/**
 * Reads messages out of one buffer and counts the fields that it has seen. A span is {tag, start, end}: where a field
 * lies, its first byte and its value from `start` up to `end`.
 */
export class Reader {
  #left = MAX_FIELDS;

  /** @param {Uint8Array} buffer */
  constructor(buffer) {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }

  /**
   * Read the fields that `known`, from `kinds`, lists by number; others are skipped.
   *
   * @returns {object} by label: a list where the field may occur many times, else the value, or null if the field is
   *   absent. Throws WireError.
   */
  message(span, known) {
    const found = {};
    for (const { label, many } of known.values()) found[label] = many ? [] : null;
    for (const { number, wire_type, place } of this.fields(span)) {
      const kind = known.get(number);
      if (!kind) continue;
      const { label, value, many } = kind;
      const packed = many && wire_type === BYTES && (value === "int" || value === "float");
      if (wire_type !== WIRE_TYPES[value] && !packed) {
        throw new WireError(`the field ${label} at byte ${place.tag} has the wire type ${wire_type}`);
      }
      if (!many) {
        if (found[label] !== null) throw new WireError(`the field ${label} occurs twice, again at byte ${place.tag}`);
        found[label] = this.#value(value, place);
      } else if (packed) {
        for (const each of value === "float" ? this.#floats(place) : this.integers(place)) found[label].push(each);
      } else {
        found[label].push(this.#value(value, place));
      }
    }
    return found;
  }

  /** Walk the fields of a message: {number, wire_type, place}. Throws WireError. */
  *fields({ start: position, end }) {
    while (position < end) {
      this.#spend(1);
      const tag = position;
      const wire_type = this.buffer[tag] & 7;
      let key, start, length;
      [key, position] = this.varint(position, end);
      const number = Math.floor(key / 8);
      if (number === 0 || number >= 2 ** 29) throw new WireError(`a field number is ${number} at byte ${tag}`);
      start = position;
      if (wire_type === BYTES) {
        [length, start] = this.varint(position, end);
        position = start + length;
      } else if (wire_type === VARINT) {
        [, position] = this.varint(position, end);
      } else if (wire_type === FIXED32 || wire_type === FIXED64) {
        position += wire_type === FIXED32 ? 4 : 8;
      } else {
        throw new WireError(`the wire type ${wire_type} at byte ${tag} is unknown`);
      }
      if (position > end) throw new WireError(`it ends in the midst of the field at byte ${tag}`);
      yield { number, wire_type, place: { tag, start, end: position } };
    }
  }

  /** Read a number of seven bits per byte, lowest first: [number, position after it]. */
  varint(position, end) {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (position >= end) throw new WireError(`it ends in the midst of a number at byte ${position}`);
      const byte = this.buffer[position++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return [value, position];
    }
    throw new WireError(`a number is longer than ten bytes at byte ${position}`);
  }

  /** Read the integers that are packed into one field, each a varint. */
  integers(place) {
    this.#spend(place.end - place.start);
    const values = [];
    for (let position = place.start, value; position < place.end; ) {
      [value, position] = this.#integer(position, place.end);
      values.push(value);
    }
    return values;
  }

  /** Decode a text of at most `most` bytes; what is no UTF-8 becomes U+FFFD. Throws WireError. */
  text(place, most) {
    if (place.end - place.start > most) throw new WireError(`the text at byte ${place.tag} is longer than ${most} bytes`);
    return decoder.decode(this.buffer.subarray(place.start, place.end));
  }

  #value(value, place) {
    if (value === "span") return place;
    if (value === "int") return this.#integer(place.start, place.end)[0];
    if (value === "float") return this.view.getFloat32(place.start, true);
    if (place.end - place.start > MAX_NAME) {
      throw new WireError(`the name at byte ${place.tag} is longer than ${MAX_NAME} bytes`);
    }
    return String.fromCharCode(...this.buffer.subarray(place.start, place.end));
  }

  /** Read an int64 of two's complement: [number, position after it]; of more than 64 bits the lower ones count. */
  #integer(position, end) {
    const [value, after] = this.varint(position, end);
    if (after - position < 8) return [value, after];
    let exact = 0n;
    for (let i = after - 1; i >= position; i--) exact = (exact << 7n) | BigInt(this.buffer[i] & 0x7f);
    return [Number(BigInt.asIntN(64, exact)), after];
  }

  /** The numbers that lie in one field, one after the other. */
  #floats(place) {
    const size = place.end - place.start;
    this.#spend(Math.floor(size / 4));
    if (size % 4) throw new WireError(`the numbers at byte ${place.tag} end in the midst of one`);
    return Array.from({ length: size / 4 }, (_, i) => this.view.getFloat32(place.start + 4 * i, true));
  }

  /** Count fields; numbers that are packed into one count as if each were a field of its own. */
  #spend(fields) {
    this.#left -= fields;
    if (this.#left < 0) throw new WireError(`it has more than ${MAX_FIELDS} fields`);
  }
}

/** The text of a "name". */
export function decode_name(name) {
  return decoder.decode(Uint8Array.from(name, (letter) => letter.charCodeAt(0)));
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
