// Model files that would do harm, made from a good one.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { ModelError, read_info, read_model } from "../../samples/web/yolov5_dnn.js";
import { read_bytes } from "./house.js";

const good = read_bytes("weights/codes.onnx");
const read = (bytes) => read_info(read_model(bytes, "x.onnx").metadata, "x.onnx");

// A protobuf writer, as small as can be.
const varint = (value) => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);
const number = (field, value) => [...varint(field * 8), ...varint(value)];
const bytes = (field, content) => [...varint(field * 8 + 2), ...varint(content.length), ...content];
const text = (field, value) => bytes(field, new TextEncoder().encode(value));
const float32 = (...values) => [...new Uint8Array(Float32Array.from(values).buffer)];

const METADATA = Object.entries({ names: ["a"], strides: [8], anchors: [[[1, 2]]], imgsz: [64, 64] })
  .flatMap(([key, value]) => bytes(14, [...text(1, key), ...text(2, JSON.stringify(value))]));

/** A model of one Conv with a weight, or with what is given in their places. */
function model({ tensor = weight(), attributes = [], inputs = ["images", "w"], rest = [] } = {}) {
  const node = [...inputs.flatMap((name) => text(1, name)), ...text(2, "out0"), ...text(4, "Conv"), ...attributes];
  const graph = [...bytes(1, node), ...bytes(5, tensor), ...rest];
  return Uint8Array.from([...bytes(7, graph), ...METADATA]);
}

function weight({ dims = [2], type = 1, data = bytes(9, float32(1, 2)), name = "w" } = {}) {
  return [...dims.flatMap((side) => number(1, side)), ...number(2, type), ...text(8, name), ...data];
}

const ints = (name, ...values) => bytes(5, [...text(1, name), ...values.flatMap((v) => number(8, v)), ...number(20, 7)]);

test("the model that is changed below is a good one", () => {
  assert.deepEqual(read(model()).names, ["a"]);
  for (const data of [bytes(4, float32(1, 2)), [...varint(4 * 8 + 5), ...float32(1), ...varint(4 * 8 + 5), ...float32(2)]]) {
    read(model({ tensor: weight({ data }) }));
  }
  read(model({ tensor: weight({ type: 7, data: bytes(7, [1, 0x80, 1]) }) }));
  read(model({ tensor: weight({ dims: [0], data: [] }) }));
  read(model({ tensor: weight({ dims: [], data: bytes(9, float32(1)) }) }));
  read(model({ attributes: [...ints("strides", 1, 2), ...ints("pads", 0, 0, 0, 0)] }));
});

const harmful = {
  "external data": [
    model({ tensor: [...weight(), ...bytes(13, [...text(1, "location"), ...text(2, "/etc/passwd")]), ...number(14, 1)] }),
    "external data",
  ],
  "external data without a location": [model({ tensor: [...weight(), ...number(14, 1)] }), "external data"],
  "a location without data_location": [
    model({ tensor: [...weight(), ...bytes(13, [...text(1, "location"), ...text(2, "../x")])] }), "external data",
  ],
  "a payload too short": [model({ tensor: weight({ dims: [3] }) }), "holds 2 values, but its dimensions make 3"],
  "a payload too long": [model({ tensor: weight({ dims: [1] }) }), "holds 2 values, but its dimensions make 1"],
  "a payload cut in a value": [model({ tensor: weight({ data: bytes(9, [0, 0, 0, 0, 0, 0, 0]) }) }), "holds 1.75 values"],
  "no payload": [model({ tensor: weight({ data: [] }) }), "holds 0 values"],
  "a huge tensor": [model({ tensor: weight({ dims: [1e9, 1e9] }) }), "dimensions make 1000000000000000000"],
  "a dimension below 0": [model({ tensor: weight({ dims: [2 ** 64 - 4096] }) }), "has a dimension of -4096"],
  "too few floats": [model({ tensor: weight({ data: bytes(4, float32(1)) }) }), "holds 1 values"],
  "too many integers": [model({ tensor: weight({ type: 7, data: bytes(7, [1, 2, 3]) }) }), "holds 3 values"],
  "two payloads": [model({ tensor: weight({ data: [...bytes(9, float32(1, 2)), ...bytes(4, float32(1, 2))] }) }), "in more than one way"],
  "floats in a tensor of integers": [model({ tensor: weight({ type: 7, data: bytes(4, float32(1, 2)) }) }), "or in the wrong one"],
  "a tensor of strings": [model({ tensor: weight({ type: 8, data: text(6, "x") }) }), "the type 8"],
  "a tensor of an unknown type": [model({ tensor: weight({ type: 99 }) }), "the type 99"],
  "not a number": [model({ tensor: weight({ data: bytes(9, float32(1, NaN)) }) }), "not finite"],
  "infinity": [model({ tensor: weight({ data: bytes(4, float32(-Infinity, 1)) }) }), "not finite"],
  "half of infinity": [model({ tensor: weight({ type: 10, data: bytes(9, [0, 0, 0, 0x7c]) }) }), "not finite"],
  "an input that nobody writes": [model({ inputs: ["images", "nowhere"] }), "reads 'nowhere', which nothing writes"],
  "a stride of 0": [model({ attributes: ints("strides", 0, 1) }), "has strides of 0"],
  "a dilation below 0": [model({ attributes: ints("dilations", 2 ** 64 - 2048) }), "has dilations of -2048"],
  "a kernel of 0": [model({ attributes: ints("kernel_shape", 0) }), "has kernel_shape of 0"],
  "packed strides of 0": [model({ attributes: bytes(5, [...text(1, "strides"), ...bytes(8, [1, 0])]) }), "has strides of 0"],
  "a group of 0": [model({ attributes: bytes(5, [...text(1, "group"), ...number(3, 0)]) }), "has group of 0"],
  "pads by the million": [model({ attributes: ints("pads", 1e6, 0) }), "has pads of 1000000"],
  "a graph in a node": [model({ attributes: bytes(5, [...text(1, "then_branch"), ...bytes(6, [])]) }), "holds a graph of its own"],
  "external data in an attribute": [
    model({ attributes: bytes(5, [...text(1, "value"), ...bytes(5, [...weight(), ...number(14, 1)])]) }), "external data",
  ],
  "external data in a function": [
    Uint8Array.from([...model(), ...bytes(25, bytes(7, [...text(4, "Constant"), ...bytes(5, bytes(5, [...weight(), ...number(14, 1)]))]))]),
    "external data",
  ],
  "sparse tensors": [model({ rest: bytes(15, []) }), "sparse tensors"],
  "a second graph": [Uint8Array.from([...model(), ...bytes(7, [])]), "more than one graph"],
  "a graph for training": [Uint8Array.from([...model(), ...bytes(20, [])]), "for training"],
  "a name of megabytes": [model({ tensor: weight({ name: "w".repeat(3000) }) }), "has more than 1024 bytes"],
  "an operator's name with an escape": [
    model({ inputs: ["\x1b[31m\u202enowhere\n"] }), "reads '\\u{1b}[31m\\u{202e}nowhere\\u{a}', which",
  ],
};
for (const [name, [file, message]] of Object.entries(harmful)) {
  test(`refused: ${name}`, () => {
    assert.throws(() => read(file), (error) => {
      assert.ok(error instanceof ModelError, error.stack);
      assert.ok(error.message.includes(message), error.message);
      assert.match(error.message, /^x\.onnx is not an ONNX model, or a damaged one: [^\p{Cc}]{1,300}$/u);
      return true;
    });
  });
}

test("names that are too many or too long are refused", () => {
  const named = (names) => Uint8Array.from([...model(), ...bytes(14, [...text(1, "names"), ...text(2, JSON.stringify(names))])]);
  assert.throws(() => read(named(["x".repeat(1001)])), /names must be at most/);
  assert.throws(() => read(named(Array.from({ length: 100_001 }, () => "x"))), /names must be at most/);
});

test("no bytes do harm: a file with some bytes changed is read or refused, nothing else", () => {
  let seed = 1;
  const dice = (n) => (seed = (seed * 48271) % 2147483647) % n;
  let refused = 0;
  const small = model({ attributes: [...ints("strides", 1, 2), ...ints("kernel_shape", 3, 3)] });
  for (let round = 0; round < 20_000; round++) {
    const damaged = small.slice(0, dice(20) ? undefined : dice(small.length));
    for (let i = 0; i <= dice(4); i++) damaged[dice(damaged.length || 1)] = dice(256);
    try {
      read(damaged);
    } catch (error) {
      assert.ok(error instanceof ModelError, error.stack);
      refused++;
    }
  }
  assert.ok(refused > 5000 && refused < 20_000, `${refused} of 20000`);
});

test("a model is read in a moment, its weights looked at", () => {
  const start = process.cpuUsage();
  read(good);
  const { user, system } = process.cpuUsage(start);
  assert.ok((user + system) / 1000 < 1000, `${(user + system) / 1000} ms`);
});

const hostile = process.env.HOSTILE; // a folder of files that are to be refused
if (hostile) {
  for (const name of fs.readdirSync(hostile).filter((each) => each.endsWith(".onnx"))) {
    test(`hostile: ${name}`, (t) => {
      try {
        read(new Uint8Array(fs.readFileSync(path.join(hostile, name))));
        t.diagnostic(`${name}: read`);
      } catch (error) {
        assert.ok(error instanceof ModelError, error.stack);
        assert.match(error.message, /^[^\p{Cc}]{1,500}$/u);
        t.diagnostic(`${name}: ${error.message}`);
      }
    });
  }
}
