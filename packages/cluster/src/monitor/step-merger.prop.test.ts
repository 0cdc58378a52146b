import fc from "fast-check";
import { lsn, nodeName, streamId, type Traced } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { StepMerger } from "./step-merger.ts";
import type { StepBatch } from "./step-reporter.ts";

const batch = (at: readonly number[], through: number): StepBatch => ({
  steps: at.map((t) => ({ kind: "durable", stream: streamId(1), through: lsn(t) })),
  at,
  through,
  isCutShort: false,
});

function merger(waitingMax?: number) {
  const out: { readonly process: string; readonly kind: string; readonly at: number }[] = [];
  const givenUp: string[] = [];
  const merged = new StepMerger(
    ({ process, event }: Traced, at) => void out.push({ process, kind: event.kind, at }),
    (process) => givenUp.push(process),
    waitingMax,
  );
  return { merged, out, givenUp, add: (name: string, at = 0) => merged.add(nodeName(name), at) };
}

describe("steps of many processes", () => {
  test("are handed on in the order of their times, none too early, none lost", () => {
    const lives = fc.array(fc.array(fc.integer({ min: 1, max: 500 }), { maxLength: 30 }), {
      minLength: 1,
      maxLength: 5,
    });
    fc.assert(
      fc.property(lives, fc.array(fc.nat(600), { maxLength: 12 }), (times, drains) => {
        const { merged, out, add } = merger();
        const said = times.map((list) => [...list].sort((a, b) => a - b));
        const sources = said.map((_, i) => add(`process-${i}`));
        const told = said.map(() => 0);
        for (const [n, through] of [...drains].sort((a, b) => a - b).entries()) {
          const i = n % sources.length;
          sources[i]!.take(
            batch(
              said[i]!.filter((t) => t > told[i]! && t <= through),
              through,
            ),
          );
          told[i] = through;
          merged.drain();
          // Whoever told least may still have something to say from then on.
          for (const { at } of out) expect(at).toBeLessThanOrEqual(Math.min(...told));
        }
        for (const [i, source] of sources.entries()) {
          source.take(
            batch(
              said[i]!.filter((t) => t > told[i]!),
              1000,
            ),
          );
          source.end(1001, false);
        }
        merged.drain();
        expect(out.map(({ at }) => at)).toEqual(said.flat().sort((a, b) => a - b));
        for (const [i, list] of said.entries())
          expect(out.filter(({ process }) => process === `process-${i}`).map(({ at }) => at)).toEqual(list);
      }),
    );
  });

  test("wait for a process that hangs, and for one that is starting", () => {
    const { merged, out, add } = merger();
    const [hung, busy] = [add("hung"), add("busy")];
    hung.take(batch([1], 2));
    busy.take(batch([3, 4], 5));
    merged.drain();
    expect(out.map(({ at }) => at)).toEqual([1]);
    hung.take(batch([2], 6));
    add("starting", 3);
    merged.drain();
    expect(out.map(({ at }) => at)).toEqual([1, 2, 3]);
  });

  test("I10: are forgotten once handed on, though their process is always ahead of another", () => {
    const { merged, out, add } = merger();
    const [ahead, behind] = [add("ahead"), add("behind")];
    for (let t = 1; t <= 1000; t++) {
      ahead.take(batch([t - 0.5, t], t));
      behind.take(batch([], t - 0.3));
      merged.drain();
      expect(merged.held).toBeLessThan(5);
    }
    expect(out).toHaveLength(1999);
  });

  test("a death comes after all that the process had said, and before its next life", () => {
    const { merged, out, add } = merger();
    const first = add("segment-a1");
    first.take(batch([1, 2], 2));
    first.end(3, true);
    const second = add("segment-a1", 4);
    second.take(batch([5], 5));
    merged.drain();
    expect(out.map(({ kind, at }) => `${kind} ${at}`)).toEqual([
      "durable 1",
      "durable 2",
      "died 3",
      "durable 5",
    ]);
  });

  test("when too many wait, the most silent process is given up and not heard again", () => {
    const { merged, out, givenUp, add } = merger(10);
    const [hung, busy] = [add("hung"), add("busy")];
    hung.take(batch([1], 2));
    for (let t = 3; t < 30; t++) busy.take(batch([t], t));
    merged.drain();
    expect(givenUp).toEqual(["hung"]);
    hung.take(batch([28, 29], 40));
    merged.drain();
    expect(out.filter(({ process }) => process === "hung").map(({ kind }) => kind)).toEqual([
      "durable",
      "died",
    ]);
    expect(out.filter(({ process }) => process === "busy")).toHaveLength(27);
  });
});
