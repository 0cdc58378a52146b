/** What a fake segment knows of a protection group, and two questions about slices. */
import {
  lsn,
  type Decision,
  type Lsn,
  type PageId,
  type PageVersion,
  type Slice,
  type StreamId,
  type Vote,
} from "@sixfold/model";

export interface Taken {
  readonly slice: Slice;
  vote: Vote;
  decision: Decision | undefined;
  readonly order: number;
}

export interface StreamHere {
  readonly id: StreamId;
  exclusive: boolean;
  scl: Lsn;
  decidedThrough: Lsn;
  readonly slices: Map<Lsn, Taken>;
  readonly aborts: Set<Lsn>;
  readonly commits: Set<Lsn>;
  fenced: boolean;
  closed: { readonly final: Lsn; readonly tail: Lsn } | undefined;
  writer: string | undefined;
}

export interface Pg {
  readonly streams: Map<StreamId, StreamHere>;
  /** Versions known to be committed, per page. */
  readonly chains: Map<PageId, PageVersion[]>;
  order: number;
}

export function newStream(id: StreamId): StreamHere {
  return {
    id,
    exclusive: false,
    scl: lsn(0),
    decidedThrough: lsn(0),
    slices: new Map(),
    aborts: new Set(),
    commits: new Set(),
    fenced: false,
    closed: undefined,
    writer: undefined,
  };
}

export function changes(slice: Slice, page: PageId): boolean {
  return slice.deltas.some((d) => d.page === page);
}

/** A page on which the two cannot both hold a claim: deltas claim alone, checks share. */
export function claimsAgainst(a: Slice, b: Slice): PageId | undefined {
  for (const d of a.deltas) if (changes(b, d.page) || b.checks.some((c) => c.page === d.page)) return d.page;
  for (const c of a.checks) if (changes(b, c.page)) return c.page;
  return undefined;
}
