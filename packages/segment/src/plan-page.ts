/**
 * What merging stores of a page: its image anew, or a patch behind what is there.
 *
 *     stored ── d1 ── d2 ── d3 ── d4
 *              └─ mergeable ─┘                 a patch of d1..d3; once patches are many, the image with all of them
 *
 * A patch is made without a look at the page. It costs a twentieth of an image, and each reader of the page a read more; so there are as
 * many as make up a share of a page.
 */
import { NONE, sameVersion, type ReadPoint } from "@sixfold/model";
import type { PageChain } from "./page-chain.ts";
import {
  encodePage,
  encodePatch,
  lastSum,
  patchBytes,
  Scratch,
  Slab,
  type DecodedPage,
  type MergedHead,
  type StoredHead,
} from "./page-image.ts";
import type { PgState } from "./pg-state.ts";

/** Bytes of patches, of a page's: some eight of one delta each. More would save little, and each is twenty bytes in the memory of the page store. */
export const PATCHED_SHARE = 3 / 16;

export interface PlannedPage {
  readonly chain: PageChain;
  readonly changes: number;
  readonly head: StoredHead;
  readonly bytes: Uint8Array;
  readonly how: "add" | undefined;
}

/** All that can be merged of a page that no batch under way holds; undefined if that is nothing, or it cannot be made for now. */
export function planPage(
  state: PgState,
  chain: PageChain,
  bound: ReadPoint,
  pageBytes: number,
): PlannedPage | undefined {
  const n = state.planted?.has("merge-all") === true ? chain.changes.length : countPast(chain, bound);
  if (n === 0) return undefined;
  return planPatch(chain, n, pageBytes) ?? planImage(state, chain, n, pageBytes);
}

/** How many of its changes every reader is past. They have left the processor's caches: each is looked at once, and no more of it than its name. */
function countPast({ changes }: PageChain, bound: ReadPoint): number {
  let [stream, through] = [NONE.stream, 0];
  for (let n = 0; n < changes.length; n++) {
    const { taken } = changes[n]!;
    if (taken.stream !== stream) {
      stream = taken.stream;
      through = bound.get(stream);
    }
    if (taken.lsn > through) return n;
  }
  return changes.length;
}

const slab = new Slab();

function planPatch(chain: PageChain, changes: number, pageBytes: number): PlannedPage | undefined {
  if (chain.isCorrupt || sameVersion(chain.stored, NONE)) return undefined;
  let room = pageBytes * PATCHED_SHARE - chain.patched - patchBytes(0, chain.merged.size);
  for (let i = 0; i < changes && room >= 0; i++) room -= chain.changes[i]!.delta.opsBytes;
  if (room < 0) return undefined;
  const ops = [];
  for (let i = 0; i < changes; i++) ops.push(chain.changes[i]!.delta.ops);
  const page = headAfter(chain, changes);
  const patch = encodePatch(chain.page, page, ops, chain, slab);
  const head = storedAs(page, lastSum(patch), chain.patched + patch.length);
  return { chain, changes, head, bytes: patch, how: "add" };
}

function planImage(
  state: PgState,
  chain: PageChain,
  changes: number,
  pageBytes: number,
): PlannedPage | undefined {
  const page = imageOf(state, chain, changes, pageBytes);
  if (page === undefined || page === "corrupt") return undefined;
  const bytes = encodePage(chain.page, page);
  const head = storedAs(page, lastSum(bytes), 0);
  return { chain, changes, head, bytes, how: undefined };
}

const storedAs = ({ version, base, merged }: MergedHead, sum: number, patched: number): StoredHead => {
  return { version, base, merged, sum, patched };
};

const scratch = new Scratch();

/** The page with the first `changes` of its chain merged, its image good until the next one is made; undefined if there is nothing of it. */
export function imageOf(
  state: PgState,
  chain: PageChain,
  changes: number,
  pageBytes: number,
): DecodedPage | "corrupt" | undefined {
  const stored = state.pages.storedPage(chain.page, scratch);
  if (stored === "corrupt") chain.isCorrupt = true;
  if (stored === "corrupt" || chain.isCorrupt) return "corrupt";
  const storedAt = chain.placeOf(stored?.version ?? NONE);
  if (storedAt === undefined) return chain.isCorrupt ? "corrupt" : undefined;
  if (changes === 0) return stored;
  const image = stored === undefined ? scratch.of(pageBytes).fill(0) : stored.image;
  for (let i = storedAt + 1; i < changes; i++) chain.changes[i]!.delta.applyTo(image);
  return { ...headAfter(chain, changes), image };
}

/** What the page is once the first `changes` of its chain are merged, of which there is one at least. */
function headAfter(chain: PageChain, changes: number): MergedHead {
  let { merged } = chain;
  for (let i = 0; i < changes; i++) {
    const { taken } = chain.changes[i]!;
    // Along a chain the LSNs of one stream ascend: the last of a run stands for it.
    if (i + 1 === changes || chain.changes[i + 1]!.taken.stream !== taken.stream)
      merged = merged.with(taken.stream, taken.lsn);
  }
  const { taken, delta } = chain.changes[changes - 1]!;
  return { version: { stream: taken.stream, lsn: taken.lsn }, base: delta.base, merged };
}
