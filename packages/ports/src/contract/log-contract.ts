/**
 * The log on a disk: not a port of its own, but what the Disk port is for. Every disk proves that the writer and the
 * reader work on it; the codec is given, since its bytes are defined elsewhere.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../disk.ts";
import type { LogBlockCodec } from "../log-codec.ts";
import { logFileName } from "../log-codec.ts";
import type { LogReport } from "../log-reader.ts";
import { readLog } from "../log-reader.ts";
import { LogScrub } from "../log-scrub.ts";
import type { LogWriterOptions } from "../log-writer.ts";
import { LogWriter } from "../log-writer.ts";
import type { DiskHarness } from "./disk-contract.ts";
import { Outcome, pattern } from "./harness.ts";

const fileBytes = 4096;
const salt = 0x5eed_5a17;

export function logContract(name: string, codec: LogBlockCodec, make: () => Promise<DiskHarness>): void {
  describe(`log contract: ${name}`, () => {
    let harness: DiskHarness;
    let disk: Disk;
    let failures: Error[];
    beforeEach(async () => {
      harness = await make();
      disk = harness.disk;
      failures = [];
    });
    afterEach(() => harness.close());

    async function read(): Promise<{ report: LogReport; payloads: string[] }> {
      const payloads: string[] = [];
      const report = await harness.settle(
        readLog(disk, codec, (payload) => payloads.push(Buffer.from(payload).toString())),
      );
      return { report, payloads };
    }

    async function open(over: Partial<LogWriterOptions> = {}): Promise<LogWriter> {
      const { report } = await read();
      const onFailure = (error: Error): void => void failures.push(error);
      return await harness.settle(
        LogWriter.open({ disk, codec, report, salt, fileBytes, onFailure, ...over }),
      );
    }

    /** Appends one block of its own. */
    async function append(writer: LogWriter, text: string): Promise<void> {
      const outcome = new Outcome();
      writer.append([Buffer.from(text)], outcome.done);
      expect(outcome.calls).toBe(0);
      await harness.until(outcome.isCalled);
      expect(outcome.error).toBeUndefined();
    }

    async function damage(file: number, offset: number, bytes: Uint8Array): Promise<void> {
      const outcome = new Outcome();
      disk.write(logFileName(file), offset, [bytes], outcome.done);
      await harness.until(outcome.isCalled);
    }

    /** Passes over the files before `current`: which were found damaged. */
    async function scrub(current: number, passes = 1): Promise<number[]> {
      const scrubber = new LogScrub(disk, codec);
      const found: number[] = [];
      for (let steps = 0; steps < 40 * passes; steps++) {
        const { damaged } = await harness.settle(scrubber.step(1, current, 600));
        if (damaged !== undefined) found.push(damaged);
      }
      return found;
    }

    test("a scrub finds which file is damaged, and nothing in a whole log, torn once or not", async () => {
      const writer = await open();
      for (let i = 0; i < 45; i++) await append(writer, `${i} ${"x".repeat(350)}`);
      const last = writer.fileNumber;
      await harness.settle(writer.close());
      expect(last).toBeGreaterThan(3);
      expect(await scrub(last)).toEqual([]);
      // In the middle of a block, its header, and the whole end of a file.
      for (const [file, offset, bytes] of [
        [2, 700, 1],
        [1, 0, 4],
        [3, 400, fileBytes - 400],
      ] as const) {
        const before = await harness.settle(disk.read(logFileName(file), offset, bytes));
        await damage(
          file,
          offset,
          before.map((byte) => byte ^ 0x55),
        );
        expect(new Set(await scrub(last))).toEqual(new Set([file]));
        await damage(file, offset, before);
      }
      expect(await scrub(last, 3)).toEqual([]);
    });

    test("an empty log: clean, nothing in it", async () => {
      const { report } = await read();
      expect(report).toMatchObject({ state: "clean", blocks: 0, files: [], tornBytes: 0 });
      expect(report.end).toEqual({
        fileNumber: 1,
        offset: 0,
        sequence: 1,
        previousCrc: 0,
        salt: undefined,
        lastBlockBytes: 0,
      });
    });

    test("appends come back in order, over many openings and files", async () => {
      const written: string[] = [];
      for (let round = 0; round < 6; round++) {
        const writer = await open();
        for (let i = 0; i < 4; i++) {
          const text = `${round}.${i} ${"x".repeat(350)}`;
          await append(writer, text);
          written.push(text);
        }
        await harness.settle(writer.close());
      }
      const { report, payloads } = await read();
      expect(payloads).toEqual(written);
      expect(report).toMatchObject({ state: "clean", blocks: written.length });
      expect(report.end.fileNumber).toBeGreaterThan(2);
      expect(report.end.salt).toBe(salt);
    });

    test("appends given during a sync share the next block, and are done in order", async () => {
      const writer = await open();
      const order: number[] = [];
      for (let i = 0; i < 50; i++) writer.append([Buffer.from(`${i},`)], () => order.push(i));
      await harness.until(() => order.length === 50);
      expect(order).toEqual(Array.from({ length: 50 }, (_, i) => i));
      expect(writer.stats).toMatchObject({ appends: 50, blocks: 2 });
      const { payloads } = await read();
      expect(payloads).toEqual(["0,", Array.from({ length: 49 }, (_, i) => `${i + 1},`).join("")]);
      await harness.settle(writer.close());
    });

    test("a block holds no more than it may, an append is never split", async () => {
      const writer = await open({ blockBytesMax: 100 });
      let done = 0;
      for (let i = 0; i < 9; i++) writer.append([pattern(30, i), pattern(10, i)], () => (done += 1));
      writer.append([pattern(500, 1)], () => (done += 1));
      await harness.until(() => done === 10);
      const sizes: number[] = [];
      await harness.settle(readLog(disk, codec, (payload) => sizes.push(payload.length)));
      expect(sizes).toEqual([40, 80, 80, 80, 80, 500]);
      await harness.settle(writer.close());
    });

    test("the largest append fills a file; one byte more is refused at once", async () => {
      const writer = await open();
      await append(writer, "small");
      await append(writer, "y".repeat(fileBytes - codec.headerBytes));
      await append(writer, "after");
      expect(() => writer.append([new Uint8Array(fileBytes - codec.headerBytes + 1)], () => {})).toThrow(
        /fits/,
      );
      await harness.settle(writer.close());
      expect((await read()).payloads.map((text) => text.length)).toEqual([
        5,
        fileBytes - codec.headerBytes,
        5,
      ]);
    });

    test("rotation is announced once a file, appending from within it works, and old files go", async () => {
      const rotations: number[] = [];
      const writer = await open({
        onRotate: (fileNumber) => {
          rotations.push(fileNumber);
          writer.append([Buffer.from(`checkpoint ${fileNumber}`)], () => writer.removeBefore(fileNumber));
        },
      });
      for (let i = 0; i < 30; i++) await append(writer, `${i} ${"z".repeat(700)}`);
      await harness.settle(writer.close());
      const { report, payloads } = await read();
      expect(rotations).toEqual(rotations.map((_, i) => i + 2));
      expect(rotations.length).toBeGreaterThan(4);
      const last = rotations.at(-1)!;
      expect(report).toMatchObject({ state: "clean", files: [last, last + 1] });
      expect(report.end.fileNumber).toBe(last);
      expect(payloads.some((text) => text.includes(`checkpoint ${last}`))).toBe(true);
      const again = await open();
      await append(again, "goes on");
      await harness.settle(again.close());
      expect((await read()).payloads.at(-1)).toBe("goes on");
    });

    test("a torn tail is cut and written over, wherever the tear is", async () => {
      const header = codec.headerBytes;
      for (const [from, to] of [
        [0, header],
        [header + 5, header + 6],
        [header + 199, header + 200],
        [0, 4],
        [header - 4, header],
      ] as const) {
        let writer = await open();
        const kept = `kept ${from}`;
        await append(writer, kept);
        const before = (await read()).report;
        await append(writer, "t".repeat(200));
        await harness.settle(writer.close());
        await damage(before.end.fileNumber, before.end.offset + from, new Uint8Array(to - from));
        const torn = await read();
        expect(torn.report).toMatchObject({ state: "torn", end: before.end });
        expect(torn.report.tornBytes).toBeGreaterThan(0);
        expect(torn.payloads.at(-1)).toBe(kept);
        writer = await open();
        await append(writer, "over it");
        await harness.settle(writer.close());
        expect((await read()).payloads.slice(-2)).toEqual([kept, "over it"]);
      }
    });

    test("a block of another history is not taken, though its place and its sums are right", async () => {
      const histories: Uint8Array[] = [];
      for (const letter of ["a", "b"]) {
        const writer = await open();
        await append(writer, letter.repeat(100));
        await append(writer, letter.repeat(100));
        await harness.settle(writer.close());
        histories.push(await harness.settle(disk.read(logFileName(1), 0, fileBytes)));
        for (const { name: file } of await harness.settle(disk.list()))
          await harness.settle(disk.remove(file));
      }
      const second = codec.headerBytes + 100;
      await harness.settle(disk.create(logFileName(1), fileBytes));
      await damage(1, 0, histories[0]!.subarray(0, second));
      await damage(1, second, histories[1]!.subarray(second));
      const { payloads } = await read();
      expect(payloads).toEqual(["a".repeat(100)]);
    });

    test("damage before a later block is corruption, and such a log is not opened", async () => {
      const writer = await open();
      await append(writer, "a".repeat(100));
      const { end } = (await read()).report;
      await append(writer, "b".repeat(100));
      await append(writer, "c".repeat(100));
      await harness.settle(writer.close());
      await damage(end.fileNumber, end.offset + codec.headerBytes + 50, Uint8Array.of(0));
      const { report, payloads } = await read();
      expect(report.state).toBe("corrupt");
      expect(report.corruption).toMatchObject({ fileNumber: end.fileNumber, offset: end.offset });
      expect(payloads).toHaveLength(1);
      await expect(open()).rejects.toThrow(/corrupt/);
    });

    test("damage at the end of a file is corruption if the next goes on, as is a missing file or a lost first one", async () => {
      const writer = await open();
      for (let i = 0; i < 8; i++) await append(writer, "a".repeat(1500));
      await harness.settle(writer.close());
      const second = codec.headerBytes + 1500;
      const saved = await harness.settle(disk.read(logFileName(1), 0, fileBytes));
      await damage(1, second + codec.headerBytes, Uint8Array.of(1));
      expect((await read()).report).toMatchObject({
        state: "corrupt",
        corruption: { fileNumber: 1, offset: second },
      });
      await damage(1, 0, saved);
      expect((await read()).report.state).toBe("clean");
      await damage(1, 0, new Uint8Array(fileBytes));
      expect((await read()).report.state).toBe("corrupt");
      await damage(1, 0, saved);
      await harness.settle(disk.remove(logFileName(2)));
      expect((await read()).report.state).toBe("corrupt");
    });

    test("after a failed write nothing is written any more, and everybody hears of it", async () => {
      const writer = await open();
      await append(writer, "good");
      await harness.settle(disk.remove(logFileName(1)));
      const outcomes = [new Outcome(), new Outcome(), new Outcome()];
      for (const outcome of outcomes) writer.append([pattern(10, 1)], outcome.done);
      await harness.until(() => outcomes.every((outcome) => outcome.calls > 0));
      expect(outcomes.every((outcome) => outcome.error instanceof Error && outcome.calls === 1)).toBe(true);
      expect(failures).toHaveLength(1);
      const late = new Outcome();
      writer.append([pattern(10, 1)], late.done);
      expect(late.calls).toBe(0);
      await harness.until(late.isCalled);
      expect(late.error).toBe(failures[0]);
      await harness.settle(writer.close());
      expect(failures).toHaveLength(1);
    });
  });
}
