import { streamId } from "@sixfold/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Merged } from "./merged.ts";

test("merged streams are a map that a change leaves as it was, its streams ascending", () => {
  const entry = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 2 ** 40 }));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), (entries) => {
      const map = new Map<number, number>();
      let merged = Merged.NOTHING;
      for (const [stream, at] of entries) {
        const before = [...merged];
        const after = merged.with(streamId(stream), at);
        expect([...merged]).toEqual(before);
        map.set(stream, at);
        merged = after;
      }
      expect([...merged]).toEqual([...map].sort(([a], [b]) => a - b));
      expect([merged.size, merged.most]).toEqual([map.size, Math.max(0, ...map.values())]);
      for (let stream = 0; stream <= 7; stream++) expect(merged.get(streamId(stream))).toBe(map.get(stream));
    }),
  );
});
