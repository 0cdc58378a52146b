import { lsn, streamId, type TraceEvent } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { StepReporter, UNSENT_STEPS_MAX, type StepBatch } from "./step-reporter.ts";

const step = (n: number): TraceEvent => ({ kind: "durable", stream: streamId(1), through: lsn(n) });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A reporter on a channel that takes batches, and takes them off its hands when told to. */
function reporter() {
  const batches: StepBatch[] = [];
  const unsent: (() => void)[] = [];
  let now = 0;
  const made = new StepReporter(
    (batch, sent) => {
      batches.push(batch);
      unsent.push(sent);
    },
    () => ++now,
  );
  return { made, batches, leave: () => unsent.splice(0).forEach((sent) => sent()) };
}

describe("a process that says its steps", () => {
  test("says those of a turn at once, each with its time", async () => {
    const { made, batches, leave } = reporter();
    expect(batches).toEqual([{ steps: [], at: [], through: 1, isCutShort: false }]);
    made.trace(step(1));
    made.trace(step(2));
    await turn();
    const told = batches.filter(({ steps }) => steps.length > 0);
    expect(told).toEqual([{ steps: [step(1), step(2)], at: [2, 3], through: 4, isCutShort: false }]);
    const closed = made.close();
    leave();
    await closed;
  });

  test("says the last ones before it ends", async () => {
    const { made, batches, leave } = reporter();
    made.trace(step(1));
    const closed = made.close();
    expect(batches.flatMap(({ steps }) => steps)).toEqual([step(1)]);
    let isClosed = false;
    void closed.then(() => (isClosed = true));
    await turn();
    expect(isClosed).toBe(false);
    leave();
    await closed;
  });

  test("I10: falls silent, and says so once, when the supervisor does not keep up", async () => {
    const { made, batches, leave } = reporter();
    for (let i = 0; i < UNSENT_STEPS_MAX; i++) made.trace(step(i));
    made.flush();
    expect(batches.some(({ isCutShort }) => isCutShort)).toBe(false);
    made.trace(step(0));
    made.flush();
    made.trace(step(0));
    made.flush();
    expect(batches.filter(({ isCutShort }) => isCutShort)).toHaveLength(1);
    expect(batches.reduce((n, { steps }) => n + steps.length, 0)).toBe(UNSENT_STEPS_MAX);
    const closed = made.close();
    leave();
    await closed;
  });
});
