import { decodeRecords, encodeRecords } from "@sixfold/wire";
import { NONE } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { BenchSegment, decided, point, slice } from "./testing/bench-segment.ts";

const PART_BYTES_MAX = 65 << 10;
const WAITING = 3000;

/** Stream 1 has a page, and thousands of stream 2's entries came to check it: each waits, and each other one was aborted. */
function crowded(): BenchSegment {
  const s = new BenchSegment();
  s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
  s.append(Array.from({ length: WAITING }, (_, i) => slice({ stream: 2, lsn: i + 1, checks: [[1, NONE]] })));
  const aborts = Array.from({ length: WAITING / 2 }, (_, i) => 2 * i + 2);
  s.decide(2, decided(0, 0, [], aborts));
  s.fence(6);
  return s;
}

const known = (s: BenchSegment): unknown => [
  [1, 2, 999, 1000, WAITING - 1, WAITING].map((at) => s.vote(2, at)),
  s.vote(1, 1),
  s.server.status()["pgs"],
];

/** The parts written last, and the block of the first of them. */
function parts(s: BenchSegment): { first: number; sizes: number[] } {
  const sizes: number[] = [];
  let first = s.blocks.length;
  for (; decodeRecords(s.blocks[first - 1]!.bytes)[0]?.kind === "checkpoint"; first--)
    sizes.unshift(s.blocks[first - 1]!.bytes.length);
  return { first, sizes };
}

describe("a large checkpoint", () => {
  test("is cut into records of bounded size, which together recover everything", () => {
    const s = crowded();
    const before = known(s);
    s.rotate();
    const { sizes } = parts(s);
    expect(sizes.length).toBeGreaterThan(2);
    expect(Math.max(...sizes)).toBeLessThan(PART_BYTES_MAX);
    s.crash();
    expect(known(s)).toEqual(before);
    expect(s.append([slice({ stream: 6, lsn: 1, writes: [[9, NONE]] })])).toMatchObject([
      { state: "fenced" },
    ]);
  });

  test("does not count while a part is missing, nor does the rest of it later", () => {
    for (const missing of [1, 2]) {
      const s = crowded();
      const torn = known(s);
      s.rotate();
      s.crash(s.blocks.length - missing);
      // The log goes on where it was cut: this must not be replaced by what the torn checkpoint says.
      s.decide(1, decided(0, 1));
      const before = known(s);
      expect(before).not.toEqual(torn);
      s.crash();
      expect(known(s)).toEqual(before);
      s.rotate();
      s.crash();
      expect(known(s)).toEqual(before);
    }
  });

  test("counts in whatever appends and blocks its parts come, but not with its beginning trimmed", () => {
    const s = crowded();
    s.rotate();
    const { first, sizes } = parts(s);
    const before = known(s);
    const blocks = s.blocks.splice(first, sizes.length);
    const records = blocks.flatMap(({ bytes }) => decodeRecords(bytes));
    s.blocks.push({ file: 2, bytes: new Uint8Array(Buffer.concat(encodeRecords(records))) });
    s.crash();
    expect(known(s)).toEqual(before);
    const tail = new BenchSegment();
    tail.blocks.push(...blocks.slice(1));
    tail.crash();
    expect(tail.vote(2, 1)).toBe("absent");
    tail.append([slice({ stream: 3, lsn: 1, writes: [[1, NONE]] })], { lowWater: point() });
    expect(tail.vote(3, 1)).toBe("accept");
  });
});
