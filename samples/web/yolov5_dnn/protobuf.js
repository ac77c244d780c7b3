// Walking a protobuf message by its wire format: https://protobuf.dev/programming-guides/encoding/

export const VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5; // wire types

const MAX_FIELDS = 2_000_000; // of one file: a network of a thousand layers has some ten thousand

/** The bytes aren't a protobuf message, or not the one that was expected. */
export class WireError extends Error {}

/**
 * A message being walked. A field is {number, wire_type, tag, start, end}: `tag` is the position of its first
 * byte, its value lies from `start` to `end`. Lengths and numbers past 2^53 lose their low bits, which is as
 * good as any other wrong value.
 */
export class Reader {
  #fields = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }

  /** Walk the fields of the message that lies from `position` to `end`. Throws WireError. */
  *fields(position, end) {
    while (position < end) {
      if (++this.#fields > MAX_FIELDS) throw new WireError(`it has more than ${MAX_FIELDS} fields`);
      const tag = position;
      const wire_type = this.bytes[tag] & 7;
      let key, start, length;
      [key, position] = this.varint(position, end);
      const number = Math.floor(key / 8);
      if (number === 0) throw new WireError(`a field number is 0 at byte ${tag}`);
      start = position;
      if (wire_type === VARINT) {
        [, position] = this.varint(position, end);
      } else if (wire_type === BYTES) {
        [length, start] = this.varint(position, end);
        position = start + length;
      } else if (wire_type === FIXED32 || wire_type === FIXED64) {
        position += wire_type === FIXED32 ? 4 : 8;
      } else {
        throw new WireError(`the wire type ${wire_type} at byte ${tag} is unknown`);
      }
      if (position > end) throw new WireError(`it ends in the midst of the field at byte ${tag}`);
      yield { number, wire_type, tag, start, end: position };
    }
  }

  /** Read a number of seven bits per byte, lowest first: [number, position after it]. */
  varint(position, end) {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (position >= end) throw new WireError(`it ends in the midst of a number at byte ${position}`);
      const byte = this.bytes[position++];
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return [value, position];
    }
    throw new WireError(`a number is longer than ten bytes at byte ${position}`);
  }

  /** Read the numbers of a repeated field, packed or not; those of 2^63 and more are negative. */
  numbers(field) {
    if (field.wire_type !== VARINT && field.wire_type !== BYTES) {
      throw new WireError(`there are no whole numbers at byte ${field.tag}`);
    }
    const values = [];
    for (let position = field.start, value; position < field.end; ) {
      [value, position] = this.varint(position, field.end);
      values.push(value >= 2 ** 63 ? value - 2 ** 64 : value);
    }
    return values;
  }

  /** Read a text of at most `most` bytes; what is no UTF-8 becomes U+FFFD. */
  text(field, most) {
    if (field.wire_type !== BYTES) throw new WireError(`there is no text at byte ${field.tag}`);
    if (field.end - field.start > most) {
      throw new WireError(`the text at byte ${field.tag} has more than ${most} bytes`);
    }
    return decoder.decode(this.bytes.subarray(field.start, field.end));
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
