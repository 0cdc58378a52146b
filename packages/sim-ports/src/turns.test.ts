import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

test("before each turn all microtasks have settled, however deep, also when begun anew from one", async () => {
  const log: string[] = [];
  let wanted = 0;
  let ended: () => void = () => {};
  const turns = new Turns(() => {
    log.push("turn");
    void (async () => {
      for (let deep = 0; deep < 100; deep++) await Promise.resolve();
      log.push("settled");
      wanted -= 1;
      if (wanted === 0) ended();
    })();
    return wanted > 1;
  });
  // More turns than one pass of the event loop holds; then few, beginning with immediates left over.
  for (const count of [200, 1, 3, 2]) {
    log.length = 0;
    wanted = count;
    const end = new Promise<void>((resolve) => (ended = resolve));
    turns.begin();
    expect(log).toEqual([]);
    await end;
    expect(log).toEqual(Array.from({ length: count }, () => ["turn", "settled"]).flat());
  }
});
