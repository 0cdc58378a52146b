/** What database nodes say to each other: their streams as others follow them, questions before a read, news of the manifest. */
import type { Epoch, Lsn, Manifest, NodeName, PageId, PgId, ReadPoint, StreamId } from "@sixfold/model";

/** A node asks another for its feed. The answer is `feedStart`, then every `append` from then on, undecided ones first. */
export interface Follow {
  readonly type: "follow";
  readonly node: NodeName;
}

export interface FeedStart {
  readonly type: "feedStart";
  readonly stream: StreamId;
  readonly durable: Lsn;
  /** Per PG the last LSN at or below `durable` with a slice there. */
  readonly tails: ReadonlyMap<PgId, Lsn>;
}

/** `cluster` reads, and closing gaps: how far must your stream be shown? Answered only by its unfenced writer. */
export interface AskDurable {
  readonly type: "askDurable";
  readonly request: number;
}

export interface Durable {
  readonly type: "durable";
  readonly request: number;
  readonly stream: StreamId;
  /** The durable point, or the last commit that a client may have been told of, if that lies beyond it. */
  readonly durable: Lsn;
  /** When that was so, by the writer's clock in microseconds: good for telling two answers apart, not for comparing with another clock. */
  readonly atUs: number;
  readonly epoch: Epoch;
}

/** `cluster` snapshots: what is to be read? Answered only by the writer of the oldest open stream, after a round of its own. */
export interface AskSnapshot {
  readonly type: "askSnapshot";
  readonly request: number;
}

/** Everything committed before the question, causally closed; of any two such read points one is at most the other. */
export interface Snapshot {
  readonly type: "snapshot";
  readonly request: number;
  readonly point: ReadPoint;
}

/** May the asking stream own these versions, which yours wrote (docs/notes/page-gifts.md)? */
export interface AskPages {
  readonly type: "askPages";
  readonly request: number;
  /** Whose versions they are: the stream of the node that is asked. */
  readonly owner: StreamId;
  readonly stream: StreamId;
  readonly pages: readonly { readonly page: PageId; readonly at: Lsn }[];
}

/** It owns them from now on: those that are listed. */
export interface PagesGiven {
  readonly type: "pagesGiven";
  readonly request: number;
  readonly pages: readonly PageId[];
}

/**
 * Among database nodes: the manifest as chosen, from the node that has changed it. `successor`: who should write the exclusive volume
 * now, or nobody in particular ("").
 */
export interface ManifestNews {
  readonly type: "manifestNews";
  readonly value: Manifest;
  readonly successor: string;
}
