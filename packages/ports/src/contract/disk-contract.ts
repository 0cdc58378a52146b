import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../disk.ts";
import type { Harness } from "./harness.ts";
import { Outcome, pattern } from "./harness.ts";

export interface DiskHarness extends Harness {
  readonly disk: Disk;
  /** Closes the disk and opens the same one again. */
  reopen(): Promise<Disk>;
}

export function diskContract(name: string, make: () => Promise<DiskHarness>): void {
  describe(`disk contract: ${name}`, () => {
    let harness: DiskHarness;
    let disk: Disk;
    beforeEach(async () => {
      harness = await make();
      disk = harness.disk;
    });
    afterEach(() => harness.close());

    async function write(
      file: string,
      offset: number,
      chunks: readonly Uint8Array[],
    ): Promise<Error | undefined> {
      const outcome = new Outcome();
      disk.write(file, offset, chunks, outcome.done);
      expect(outcome.calls).toBe(0);
      await harness.until(outcome.isCalled);
      return outcome.error;
    }

    test("a new file has its size and is zero", async () => {
      await harness.settle(disk.create("b.log", 3000));
      await harness.settle(disk.create("a.log", 0));
      expect(await harness.settle(disk.list())).toEqual([
        { name: "a.log", bytes: 0 },
        { name: "b.log", bytes: 3000 },
      ]);
      const bytes = await harness.settle(disk.read("b.log", 0, 3000));
      expect(bytes).toHaveLength(3000);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    });

    test("a name is taken once, and only plain names are taken", async () => {
      await harness.settle(disk.create("one", 10));
      await expect(harness.settle(disk.create("one", 10))).rejects.toThrow();
      for (const bad of ["", "../up", "a/b", "Upper", ".", ".."]) {
        await expect(harness.settle(disk.create(bad, 1))).rejects.toThrow();
      }
      expect(await harness.settle(disk.list())).toEqual([{ name: "one", bytes: 10 }]);
    });

    test("chunks are written one after the other, and nothing else changes", async () => {
      await harness.settle(disk.create("f", 10_000));
      expect(
        await write("f", 700, [pattern(5, 1), new Uint8Array(0), pattern(3000, 2), pattern(1, 3)]),
      ).toBeUndefined();
      const bytes = await harness.settle(disk.read("f", 0, 10_000));
      const expected = new Uint8Array(10_000);
      expected.set(pattern(5, 1), 700);
      expected.set(pattern(3000, 2), 705);
      expected.set(pattern(1, 3), 3705);
      expect(Buffer.compare(bytes, expected)).toBe(0);
    });

    test("thousands of chunks go in one write", async () => {
      const chunks = Array.from({ length: 5000 }, (_, i) => pattern((i % 7) + 1, i));
      const whole = Buffer.concat(chunks);
      await harness.settle(disk.create("f", whole.length));
      expect(await write("f", 0, chunks)).toBeUndefined();
      expect(Buffer.compare(await harness.settle(disk.read("f", 0, whole.length)), whole)).toBe(0);
    });

    test("several MiB, small chunks among large ones", async () => {
      const chunks = [
        pattern(3, 1),
        pattern(2 << 20, 2),
        pattern(9, 3),
        pattern(3 << 20, 4),
        pattern(70_000, 5),
      ];
      const whole = Buffer.concat(chunks);
      await harness.settle(disk.create("f", whole.length + 50));
      expect(await write("f", 50, chunks)).toBeUndefined();
      expect(Buffer.compare(await harness.settle(disk.read("f", 50, whole.length)), whole)).toBe(0);
    });

    test("reads are cut at the end of the file", async () => {
      await harness.settle(disk.create("f", 100));
      await write("f", 90, [pattern(10, 7)]);
      expect(Buffer.compare(await harness.settle(disk.read("f", 95, 50)), pattern(10, 7).subarray(5))).toBe(
        0,
      );
      expect(await harness.settle(disk.read("f", 100, 50))).toHaveLength(0);
      expect(await harness.settle(disk.read("f", 500, 50))).toHaveLength(0);
      await expect(harness.settle(disk.read("none", 0, 1))).rejects.toThrow();
    });

    test("a write that would grow the file, or to no file, is an error and writes nothing", async () => {
      await harness.settle(disk.create("f", 100));
      expect(await write("f", 95, [pattern(6, 1)])).toBeInstanceOf(Error);
      expect(await write("none", 0, [pattern(6, 1)])).toBeInstanceOf(Error);
      const bytes = await harness.settle(disk.read("f", 0, 200));
      expect(bytes).toHaveLength(100);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    });

    test("an empty write is a sync", async () => {
      await harness.settle(disk.create("f", 100));
      expect(await write("f", 0, [])).toBeUndefined();
    });

    test("writes to several files at once each end once", async () => {
      for (const file of ["a", "b", "c"]) await harness.settle(disk.create(file, 1000));
      const outcomes = ["a", "b", "c", "a"].map((file, i) => {
        const outcome = new Outcome();
        disk.write(file, i * 100, [pattern(100, i)], outcome.done);
        return outcome;
      });
      await harness.until(() => outcomes.every((outcome) => outcome.calls > 0));
      expect(outcomes.map((outcome) => [outcome.calls, outcome.error])).toEqual(
        outcomes.map(() => [1, undefined]),
      );
      expect(Buffer.compare(await harness.settle(disk.read("a", 300, 100)), pattern(100, 3))).toBe(0);
      expect(Buffer.compare(await harness.settle(disk.read("a", 0, 100)), pattern(100, 0))).toBe(0);
    });

    test("removed files are gone, removing none is no error, and the name is free again", async () => {
      await harness.settle(disk.create("f", 100));
      await write("f", 0, [pattern(100, 1)]);
      await harness.settle(disk.remove("f"));
      await harness.settle(disk.remove("f"));
      expect(await harness.settle(disk.list())).toEqual([]);
      await harness.settle(disk.create("f", 50));
      expect((await harness.settle(disk.read("f", 0, 100))).every((byte) => byte === 0)).toBe(true);
    });

    test("reopened, everything is there", async () => {
      await harness.settle(disk.create("f", 4096));
      await write("f", 1000, [pattern(2000, 9)]);
      disk = await harness.reopen();
      expect(await harness.settle(disk.list())).toEqual([{ name: "f", bytes: 4096 }]);
      expect(Buffer.compare(await harness.settle(disk.read("f", 1000, 2000)), pattern(2000, 9))).toBe(0);
      expect(await write("f", 0, [pattern(10, 1)])).toBeUndefined();
    });

    test("knows what is free", async () => {
      expect(await harness.settle(disk.freeBytes())).toBeGreaterThan(0);
    });
  });
}
