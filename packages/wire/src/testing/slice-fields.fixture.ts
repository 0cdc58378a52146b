/** What a slice says, wherever it lies: two are equal to `toEqual` if they say the same. */
import type { Slice, SliceFields } from "@sixfold/model";
import { expect } from "vitest";
import { EncodedSlice } from "../encoded-slice.ts";

export function fieldsOf(slice: Slice): SliceFields {
  const { stream, lsn, pg, back, supersedes, owned, epoch, pgs, ownBases, transaction, checks } = slice;
  const deltas = slice.deltas.map(({ page, base, ops }) => ({ page, base, ops }));
  return { stream, lsn, pg, back, supersedes, owned, epoch, pgs, ownBases, transaction, deltas, checks };
}

export function compareSlicesByFields(): void {
  expect.addEqualityTesters([
    function sameFields(a, b): boolean | undefined {
      if (!(a instanceof EncodedSlice) || !(b instanceof EncodedSlice)) return undefined;
      return this.equals(fieldsOf(a), fieldsOf(b));
    },
  ]);
}
