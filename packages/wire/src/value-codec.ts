/**
 * Values: what a user may store, and the free-form parts of control messages, as MessagePack.
 *
 * Written by hand rather than with a library, for three reasons: nothing but plain data may pass, and a refusal
 * must name the place (`value.items[3].run is a function`); no value may depend on state shared between values (record
 * tables); and bytes from a peer must never cost more memory than they are long. It is also faster on small rows.
 *
 *     undefined, null, boolean, string, object, array     as MessagePack has them
 *     number      integers of 32 bits as int, others and -0 as float 64
 *     Uint8Array  bin
 *     Date        ext 1: f64 milliseconds
 *     bigint      ext 2: sign byte (0, 1), magnitude, most significant byte first
 *     Map         ext 3: keys and values in turn          (a plain object is a MessagePack map)
 *     Set         ext 4: elements
 *     view        ext 5: kind byte, then its bytes, little-endian (typed arrays, DataView, ArrayBuffer)
 *     RegExp      ext 6: source, flags
 *     Error       ext 7: name, message
 *     undefined   ext 0, empty
 *
 * As structured clone does: own enumerable string keys only, class instances become plain objects. Other than it does:
 * shared references are stored twice; cycles, and undefined as a whole value, are refused.
 */
import { LIMITS, limitExceeded, SixfoldError } from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { Codec } from "./codec.ts";
import { readValue } from "./value-reader.ts";
import { writeValue } from "./value-writer.ts";
import { badFrame } from "./wire-error.ts";

const writer = new ByteWriter();
let busy = false;

/** A value's bytes. Throws `SixfoldError` "bad-request" for what cannot be stored and "limit-exceeded" for what is too long. */
export function encodeValue(value: unknown): Uint8Array {
  if (value === undefined)
    throw new SixfoldError("bad-request", "undefined cannot be stored; use null, or delete the row");
  const bytes = encodeAnything(value, "value");
  if (bytes.length > LIMITS.valueBytes) throw limitExceeded("valueBytes", bytes.length, "the encoded value");
  return bytes;
}

/** Arguments of a procedure, or its result: undefined may stand for "nothing". */
export function encodeArguments(value: unknown): Uint8Array {
  return encodeAnything(value, "argument");
}

/** The value that `bytes` are from `from` to `to`; shares nothing with them. Throws `WireError` "bad-frame" if they are not one. */
export function decodeValue(bytes: Uint8Array, from = 0, to = bytes.length): unknown {
  const r = new ByteReader(bytes, from, to);
  const value = readValue(r, 0);
  r.finish();
  return value;
}

function encodeAnything(value: unknown, name: string): Uint8Array {
  // A getter of the user's may come back here while its object is being written.
  const w = busy ? new ByteWriter() : writer;
  const outer = busy;
  busy = true;
  try {
    w.begin();
    writeValue(w, value, name);
    return w.take();
  } finally {
    busy = outer;
  }
}

/** A free-form record inside a message. */
export const plainRecord: Codec<Readonly<Record<string, unknown>>> = {
  write: (w, value) => writeValue(w, value, "record"),
  read(r) {
    const value = readValue(r, 0);
    const plain =
      typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
    return plain ? (value as Record<string, unknown>) : badFrame("a record is a plain object");
  },
};
