import { describe, expect, test } from "vitest";
import { applyOps, checkOps, OpsWriter } from "./delta.ts";
import { lsn, pageId, streamId } from "./ids.ts";
import { SliceDelta } from "./slice-delta.ts";
import { NONE, version } from "./version.ts";

/** A set and a move among bytes that are none of theirs. */
function within(): { readonly bytes: Uint8Array; readonly from: number; readonly ops: Uint8Array } {
  const w = new OpsWriter();
  w.set(4, Uint8Array.of(1, 2, 3));
  w.move(10, 4, 3);
  const ops = w.finish().slice();
  const bytes = new Uint8Array(ops.length + 7).fill(0xff);
  bytes.set(ops, 3);
  return { bytes, from: 3, ops };
}

describe("a delta in the bytes of a slice", () => {
  const { bytes, from, ops } = within();
  const base = version(streamId(2), lsn(9));
  const delta = new SliceDelta(pageId(5), base, bytes, from, from + ops.length);

  test("is the page, the base and the operations that it was made of", () => {
    expect([delta.page, delta.base, delta.opsBytes]).toEqual([5, base, ops.length]);
    expect(delta.ops).toEqual(ops);
    expect(new SliceDelta(pageId(5), NONE, bytes, from, from).base).toEqual(NONE);
  });

  test("changes a page as its operations do", () => {
    const page = new Uint8Array(16);
    const other = new Uint8Array(16);
    delta.applyTo(page);
    applyOps(other, ops);
    expect(page).toEqual(other);
    expect([...page.subarray(10, 13)]).toEqual([1, 2, 3]);
  });

  test("is at fault where its operations are, and nowhere beyond them", () => {
    expect(delta.fault(16)).toBeUndefined();
    expect(delta.fault(12)).toBe(checkOps(ops, 12));
    expect(delta.fault(12)).toContain("leaves the page");
    for (let to = from + 1; to < from + ops.length; to++)
      expect(new SliceDelta(pageId(5), base, bytes, from, to).fault(16)).toBe(
        checkOps(bytes.subarray(from, to), 16),
      );
  });
});
