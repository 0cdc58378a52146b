/** Trees of two masters: a split narrows a leaf, and a writer that has not heard of it must not put a row there. With the rule broken on purpose. */
import type { PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { wrongWith } from "./history.ts";
import { hold, put, read, start, until, type Rows } from "./play.ts";

const LONG = "-".repeat(700);

/** writer-1 splits the last leaf behind its last row; writer-2, which has not heard of it, puts a row that belongs behind the split. */
function behindTheSplit(planted: readonly PlantedBug[]): { rows: (Rows | undefined)[]; wrong: string[] } {
  const filling = Object.fromEntries("abcdefghij".split("").map((key) => [key, LONG]));
  const world = start({ mode: "multi", writers: 2, planted }, filling);
  hold(world, ["writer-1"], ["writer-2"]);
  put(world, "writer-1", { x: LONG });
  const late = put(world, "writer-2", { y: 1 });
  hold(world, ["writer-1"], ["writer-2"], false);
  until(world, () => late.end.kind !== "waiting", 2000);
  expect(late.isCommitted).toBe(true);
  world.tick(100);
  return { rows: ["writer-1", "writer-2"].map((node) => read(world, node, ["y"])), wrong: wrongWith(world) };
}

describe("a split changes the leaf that it narrows", () => {
  test("holds: the row is found by both", () => {
    expect(behindTheSplit([])).toEqual({ rows: [{ y: 1 }, { y: 1 }], wrong: [] });
  });

  test("planted break: the leaf is left alone, and the row is lost", () => {
    expect(behindTheSplit(["split-leaves-left-alone"]).rows).toContainEqual({ y: undefined });
  });
});
