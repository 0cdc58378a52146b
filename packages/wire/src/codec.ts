/**
 * Codecs put together from codecs: the form for everything that is not hot.
 *
 * A `struct` writes its fields in the order in which its table lists them, with nothing between, so the
 * table *is* the byte format (STYLE 25), and the compiler refuses one that lacks a field of its type.
 * Reading yields a whole valid value or throws `WireError`; nothing here returns half of one.
 */
import { assert, LIMITS } from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { badFrame } from "./wire-error.ts";

export interface Codec<T> {
  write(w: ByteWriter, value: T): void;
  read(r: ByteReader): T;
}

export type Fields<T> = { readonly [K in keyof T]-?: Codec<T[K]> };

/** Names of nodes, volumes and zones. */
export const NAME_BYTES_MAX = 255;
export const URL_BYTES_MAX = 2048;
/** Reasons and messages for people; longer ones are cut by their author. */
export const PROSE_BYTES_MAX = 16 * 1024;

/** An integer from `min` to `max`, as varint; `T` is the brand it gets. */
export function integer<T extends number = number>(
  what: string,
  min = 0,
  max = Number.MAX_SAFE_INTEGER,
): Codec<T> {
  return {
    write(w, value) {
      assert(value >= min && value <= max, `${what} is within its bounds`);
      w.varint(value);
    },
    read(r) {
      const value = r.varint();
      if (value < min || value > max) badFrame(`${what} out of bounds: ${value}`);
      return value as T;
    },
  };
}

export const bool: Codec<boolean> = {
  write: (w, value) => w.bool(value),
  read: (r) => r.bool(),
};

export function text<T extends string = string>(what: string, maxBytes: number): Codec<T> {
  return {
    write: (w, value) => w.text(value),
    read: (r) => r.text(maxBytes, what) as T,
  };
}

export function blob(what: string, maxBytes: number = LIMITS.frameBytes): Codec<Uint8Array> {
  return {
    write: (w, value) => w.blob(value),
    read(r) {
      const n = r.varint();
      if (n > maxBytes) badFrame(`${what} has ${n} bytes, more than ${maxBytes}`);
      return r.raw(n);
    },
  };
}

/** One of a closed set of words, as its place in the list: append only. */
export function word<const W extends readonly string[]>(what: string, words: W): Codec<W[number]> {
  return {
    write(w, value) {
      const at = words.indexOf(value);
      assert(at >= 0, `${what} is one of its words`);
      w.u8(at);
    },
    read: (r) => words[r.u8()] ?? badFrame(`unknown ${what}`),
  };
}

/** Count, then the elements. `bytesEach` is the least that one takes, so that no count is believed beyond what is there. */
export function list<T>(element: Codec<T>, bytesEach = 1): Codec<readonly T[]> {
  return {
    write(w, values) {
      w.varint(values.length);
      for (const value of values) element.write(w, value);
    },
    read(r) {
      const values: T[] = [];
      for (let n = r.count(bytesEach); n > 0; n--) values.push(element.read(r));
      return values;
    },
  };
}

/** A list whose elements come in strictly ascending order of `rank`. */
export function ascending<T>(
  element: Codec<T>,
  rank: (value: T) => number,
  what: string,
): Codec<readonly T[]> {
  const plain = list(element);
  const ordered = (values: readonly T[]): boolean =>
    values.every((v, i) => i === 0 || rank(values[i - 1]!) < rank(v));
  return {
    write(w, values) {
      assert(ordered(values), `${what} ascend`);
      plain.write(w, values);
    },
    read(r) {
      const values = plain.read(r);
      return ordered(values) ? values : badFrame(`${what} do not ascend`);
    },
  };
}

/** A byte that says whether there is one, then it. */
export function maybe<T>(of: Codec<T>): Codec<T | undefined> {
  return {
    write(w, value) {
      w.bool(value !== undefined);
      if (value !== undefined) of.write(w, value);
    },
    read: (r) => (r.bool() ? of.read(r) : undefined),
  };
}

export function pair<A, B>(first: Codec<A>, second: Codec<B>): Codec<readonly [A, B]> {
  return {
    write(w, value) {
      first.write(w, value[0]);
      second.write(w, value[1]);
    },
    read: (r) => [first.read(r), second.read(r)],
  };
}

/** A map by its entries, in its order; a key twice is refused. */
export function map<K, V>(key: Codec<K>, value: Codec<V>): Codec<ReadonlyMap<K, V>> {
  return {
    write(w, from) {
      w.varint(from.size);
      for (const [k, v] of from) {
        key.write(w, k);
        value.write(w, v);
      }
    },
    read(r) {
      const out = new Map<K, V>();
      for (let n = r.count(2); n > 0; n--) {
        const k = key.read(r);
        if (out.has(k)) badFrame("a key twice");
        out.set(k, value.read(r));
      }
      return out;
    },
  };
}

/** The fields in the order of the table. */
export function struct<T extends object>(fields: Fields<T>): Codec<T> {
  return fixed<T>({}, fields);
}

/** A message: its fields, and the `type` that its number stands for. */
export function message<T extends { readonly type: string }>(
  type: T["type"],
  fields: Fields<Omit<T, "type">>,
): Codec<T> {
  return fixed<T>({ type }, fields);
}

/** A value that passes `check` or is refused with what it returns. For what a table cannot say. */
export function checked<T>(of: Codec<T>, check: (value: T) => string | undefined): Codec<T> {
  return {
    write(w, value) {
      const fault = check(value);
      assert(fault === undefined, `${fault}`);
      of.write(w, value);
    },
    read(r) {
      const value = of.read(r);
      const fault = check(value);
      return fault === undefined ? value : badFrame(fault);
    },
  };
}

function fixed<T extends object>(constant: object, fields: object): Codec<T> {
  const names = Object.keys(fields);
  const codecs = Object.values(fields) as Codec<unknown>[];
  // Copied whole and then filled in: one field added after the other costs eight times as much.
  const blank: Record<string, unknown> = { ...constant };
  for (const name of names) blank[name] = undefined;
  return {
    write(w, value) {
      const from = value as Record<string, unknown>;
      for (let i = 0; i < names.length; i++) codecs[i]!.write(w, from[names[i]!]);
    },
    read(r) {
      const out = { ...blank };
      for (let i = 0; i < names.length; i++) out[names[i]!] = codecs[i]!.read(r);
      return out as T;
    },
  };
}
