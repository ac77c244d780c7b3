// Reading model files: whatever bytes they hold. What each refusal says stands in the golden list, which
// cases.test.js reads.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { ModelError, read_info, read_model } from "../../samples/web/yolov5_dnn.js";
import { cases, read_bytes } from "./helpers.js";

/** Read all of a file. */
function read(bytes) {
  read_info(read_model(bytes, "x.onnx").metadata, "x.onnx");
}

test("names may be many and long, as in the other languages", () => {
  const metadata = (names) => new Map(
    Object.entries({ names, strides: [8], anchors: [[[1, 2]]] }).map(([key, value]) => [key, JSON.stringify(value)]),
  );
  assert.deepEqual(read_info(metadata(["a"])).names, ["a"]);
  assert.equal(read_info(metadata(["x".repeat(1001)])).names[0].length, 1001);
});

test("no bytes do harm: a file with some bytes changed is read or refused, nothing else", () => {
  let seed = 1;
  const dice = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const files = cases("hostile_models").map(({ file }) => new Uint8Array(Buffer.from(file, "base64")));
  const small = files.filter(({ length }) => length < 1500);
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    const file = small[dice(small.length)];
    const damaged = file.slice(0, dice(20) ? undefined : dice(file.length + 1));
    for (let i = 0; i <= dice(4); i++) damaged[dice(damaged.length || 1)] = dice(256);
    try {
      read(damaged);
    } catch (error) {
      assert.ok(error instanceof ModelError, error.stack);
      assert.match(error.message, /^x\.onnx [^\p{Cc}]{1,600}$/u);
      refused++;
    }
  }
  assert.ok(refused > 5000 && refused < 20_000, `${refused} of 20000`);
});

test("a model is read in a moment, its weights looked at", () => {
  const start = process.cpuUsage();
  read_model(read_bytes("weights/codes.onnx"));
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
