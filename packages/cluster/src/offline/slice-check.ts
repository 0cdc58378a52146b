/**
 * The slices that the segments of a PG still keep, held against each other, and the chains they make (I2, I3).
 *
 *  - back-links lead from each slice to the one before it, and from the first that is kept to what was merged
 *  - a slice is the same bytes wherever it is, and committed everywhere or nowhere
 *  - no two committed versions of a page have the same base, and none has an aborted one
 */
import {
  streamId,
  type Lsn,
  type NodeName,
  type PageId,
  type PgId,
  type Slice,
  type StreamId,
} from "@sixfold/model";
import { crc32, type PulledSlices } from "@sixfold/wire";
import type { Findings } from "./data-report.ts";
import type { StoredServer } from "./stored-server.ts";

/** What is asked of a segment server. */
export type SliceSource = Pick<StoredServer, "name" | "ask" | "standings">;

interface Kept {
  readonly crc: number;
  readonly isCommitted: boolean;
  readonly server: NodeName;
}

export class SliceCheck {
  /** Pages that some kept slice changes. */
  readonly touched = new Set<PageId>();
  /** Different slices met. */
  slices = 0;
  private readonly pg: PgId;
  private readonly findings: Findings;
  /** Per page: which version follows which. */
  private readonly next = new Map<PageId, Map<string, string>>();
  private readonly aborted = new Set<string>();
  private readonly bases = new Map<string, { readonly page: PageId; readonly version: string }>();

  constructor(pg: PgId, findings: Findings) {
    this.pg = pg;
    this.findings = findings;
  }

  /** All streams of these segments of the PG. O(slices kept). */
  compare(servers: readonly SliceSource[]): void {
    const streams = new Set<number>();
    for (const server of servers)
      for (const { stream } of server.standings().get(this.pg) ?? []) streams.add(stream);
    for (const stream of [...streams].sort((a, b) => a - b)) this.stream(streamId(stream), servers);
    for (const [base, { page, version }] of this.bases)
      if (this.aborted.has(base))
        this.forked(page, `version ${version} is committed on ${base}, which was aborted`);
  }

  private stream(stream: StreamId, servers: readonly SliceSource[]): void {
    const kept = new Map<Lsn, Kept>();
    for (const server of servers) {
      let before: Lsn | undefined;
      for (const { slices, decisions, mergedThrough } of pulled(server, this.pg, stream)) {
        const aborts = new Set<Lsn>([...decisions.aborts, ...decisions.earlyAborts]);
        for (const slice of slices) {
          if (slice.back > (before ?? mergedThrough)) this.missing(server, slice);
          before = slice.lsn;
          const { name } = server;
          const here = { crc: crc32(slice.bytes), isCommitted: !aborts.has(slice.lsn), server: name };
          const there = kept.get(slice.lsn);
          if (there !== undefined) this.same(stream, slice.lsn, here, there);
          else {
            kept.set(slice.lsn, here);
            this.first(slice, here.isCommitted);
          }
        }
      }
    }
    this.slices += kept.size;
  }

  private missing({ name }: SliceSource, { stream, lsn, back }: Slice): void {
    const { pg } = this;
    const text = `${name}: slice ${back} of stream ${stream} in PG ${pg}, which slice ${lsn} follows, is neither merged nor in its log; it has to be replaced`;
    this.findings.add({ severity: "error", kind: "slices-missing", server: name, pg, text });
  }

  private same(stream: StreamId, lsn: Lsn, here: Kept, there: Kept): void {
    const { pg } = this;
    const say = (what: string): void =>
      this.findings.add({ severity: "error", kind: "slices-differ", pg, text: `PG ${pg}: ${what}` });
    const which = `slice ${lsn} of stream ${stream}`;
    if (here.crc !== there.crc) say(`${which} is not the same on ${there.server} and ${here.server}`);
    if (here.isCommitted === there.isCommitted) return;
    const [yes, no] = here.isCommitted ? [here, there] : [there, here];
    say(`${which} is committed on ${yes.server} and aborted on ${no.server}`);
  }

  private first(slice: Slice, isCommitted: boolean): void {
    const version = `${slice.stream}:${slice.lsn}`;
    if (!isCommitted) this.aborted.add(version);
    for (const { page, base } of slice.deltas) {
      this.touched.add(page);
      if (isCommitted) this.link(page, `${base.stream}:${base.lsn}`, version);
    }
  }

  private link(page: PageId, base: string, version: string): void {
    let links = this.next.get(page);
    if (links === undefined) this.next.set(page, (links = new Map()));
    const rival = links.get(base);
    if (rival !== undefined)
      this.forked(page, `versions ${rival} and ${version} are both committed on ${base}`);
    links.set(base, version);
    this.bases.set(base, { page, version });
  }

  private forked(page: PageId, what: string): void {
    const { pg } = this;
    const text = `page ${page} of PG ${pg}: ${what}`;
    this.findings.add({ severity: "error", kind: "chain-forked", pg, pages: [page], text });
  }
}

/** All decided slices of a stream that a segment keeps, in portions. */
function* pulled(server: SliceSource, pg: PgId, stream: StreamId): Iterable<PulledSlices> {
  const through = Number.MAX_SAFE_INTEGER as Lsn;
  for (let after = 0 as Lsn; ;) {
    const [answer] = server.ask({ type: "pullSlices", request: 0, pg, stream, after, through });
    if (answer?.type !== "pulledSlices" || answer.slices.length === 0) return;
    yield answer;
    after = answer.slices[answer.slices.length - 1]!.lsn;
  }
}
