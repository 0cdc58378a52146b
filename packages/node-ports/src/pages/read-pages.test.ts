import { expect, test } from "vitest";
import { MemoryMedium } from "../testing/memory-medium.ts";
import { readExtents } from "./read-pages.ts";

test("a part without bytes takes nothing from the one that begins where it lies", async () => {
  const medium = new MemoryMedium(1);
  medium.data = Uint8Array.from({ length: 64 }, (_, i) => i);
  const read = await readExtents(medium, [
    { at: 8, bytes: 4 },
    { at: 12, bytes: 3 },
    { at: 12, bytes: 0 },
  ]);
  expect(read.map((bytes) => [...bytes])).toEqual([[8, 9, 10, 11], [12, 13, 14], []]);
});
