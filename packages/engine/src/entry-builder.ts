/**
 * Builds one entry: the only way own pages change.
 *
 *     begin(version)  ->  head(page) / edit(frame) ...  ->  finish() or undo()
 *
 * Pages are changed in place while their edits are recorded. `finish` turns the edits into
 * deltas and pushes them on the frames' histories; `undo` leaves every page as it was.
 *
 * Own bases are collected on the way (DESIGN section 6): the version each delta or check
 * builds on, and every undecided page that a descent for a write went through: an insert
 * relies on the branch that led it there although it changes the leaf only.
 */
import {
  LIMITS,
  NO_BUGS,
  NONE,
  limitExceeded,
  assert,
  lsn as asLsn,
  type Delta,
  type Lsn,
  type PageId,
  type PageVersion,
  type PlantedBugs,
  type ReadCheck,
  type ReadPoint,
  ByteArena,
} from "@sixfold/model";
import type { BufferPool } from "./buffer-pool.ts";
import type { Frame } from "./frame.ts";
import { PageEdit, type OpsMeter } from "./page-edit.ts";
import type { PageReader } from "./page-reader.ts";
import { UNWIND, type Wants } from "./unwind.ts";

export interface Built {
  readonly deltas: Delta[];
  readonly checks: ReadCheck[];
  readonly ownBases: Lsn[];
  readonly frames: Frame[];
  readonly bytes: number;
}

/** The edit of a cached page. */
class FrameEdit extends PageEdit {
  frame!: Frame;
}

/** Bytes that a delta takes beside its operations, roughly; for the limit and the in-flight bound. */
const DELTA_OVERHEAD = 32;

export class EntryBuilder implements PageReader {
  /** The version that everything built gets. */
  version: PageVersion = NONE;
  /** Collect read checks. */
  private serializable = false;
  active = false;
  /** Own entries up to this LSN are decided. */
  lastDecided = 0;
  private edits: FrameEdit[] = [];
  private used = 0;
  private readonly bases = new Set<Lsn>();
  private readonly reads = new Set<Frame>();
  readonly values = new ByteArena();
  /** Deltas live until they are sent, reverses until they are trimmed: apart. */
  private readonly forwardArena = new ByteArena();
  private readonly reverseArena = new ByteArena();
  private readonly meter: OpsMeter = { opsBytes: 0 };
  private readonly pool: BufferPool;
  private readonly wants: Wants;
  /** Pages that nothing new may be started on. */
  private readonly held: { readonly size: number; has(page: PageId): boolean };
  readonly planted: PlantedBugs;
  private readonly dropsChecks: boolean;

  constructor(
    pool: BufferPool,
    wants: Wants,
    held: { readonly size: number; has(page: PageId): boolean },
    planted: PlantedBugs = NO_BUGS,
  ) {
    this.planted = planted;
    this.dropsChecks = planted.has("read-checks-not-sent");
    this.pool = pool;
    this.wants = wants;
    this.held = held;
  }

  begin(version: PageVersion, serializable: boolean): void {
    assert(!this.active, "one entry is built at a time");
    this.active = true;
    this.version = version;
    this.serializable = serializable && !this.dropsChecks;
    this.used = 0;
    this.meter.opsBytes = 0;
    if (this.bases.size > 0) this.bases.clear();
    if (this.reads.size > 0) this.reads.clear();
  }

  /** Leaves were read that storage must find unchanged (serializable). */
  get checksAnything(): boolean {
    return this.reads.size > 0;
  }

  get changedAnything(): boolean {
    for (let i = 0; i < this.used; i++) if (!this.edits[i]!.isEmpty) return true;
    return false;
  }

  /** The newest local image of a page. Unwinds if it is not here or cannot be relied on. */
  head(page: PageId): Frame {
    const frame = this.pool.get(page);
    if (frame === undefined) {
      this.wants.heads.push(page);
      throw UNWIND;
    }
    if (frame.suspect) {
      this.wants.entry = frame.version.lsn;
      throw UNWIND;
    }
    return frame;
  }

  /** `head` for readers who only need the bytes (see `ViewReader`). */
  read(page: PageId): Uint8Array {
    return this.head(page).image;
  }

  ready(page: PageId): boolean {
    if (this.pool.get(page) !== undefined) return true;
    this.wants.heads.push(page);
    return false;
  }

  /** The blank frame of a page that was never written. */
  fresh(page: PageId): Frame {
    return this.pool.get(page) ?? this.pool.add(page, undefined, NONE, undefined);
  }

  /** Begins or goes on changing a page. */
  edit(frame: Frame): PageEdit {
    if (frame.edit !== undefined) return frame.edit;
    this.mayStartOn(frame);
    let edit = this.edits[this.used];
    if (edit === undefined) this.edits.push((edit = new FrameEdit(this.meter)));
    this.used++;
    this.dependOn(frame.version.stream, frame.version.lsn);
    edit.frame = frame;
    edit.begin(frame.image, frame.version);
    frame.edit = edit;
    return edit;
  }

  /** This entry builds on that version; noted if it is an own undecided one. */
  dependOn(stream: number, lsn: number): void {
    if (lsn > this.lastDecided && stream === this.version.stream && lsn !== this.version.lsn)
      this.bases.add(asLsn(lsn));
  }

  /** The entry relies on the page as it is, without changing it. */
  relyOn(frame: Frame): void {
    if (frame.edit === undefined) this.dependOn(frame.version.stream, frame.version.lsn);
  }

  /** Unwinds while nothing new may be started on the page. */
  private mayStartOn(frame: Frame): void {
    if (this.held.size === 0 || !this.held.has(frame.page)) return;
    this.wants.held = frame.page;
    throw UNWIND;
  }

  /**
   * A leaf was read: a check, if serializable. A check claims the page as a change does: it would meet the same entry in the way, and
   * stand in the way of the one whose turn it is.
   */
  readLeaf(frame: Frame): void {
    if (this.serializable) {
      if (frame.edit === undefined) this.mayStartOn(frame);
      this.reads.add(frame);
      this.relyOn(frame);
    }
  }

  /** Throws `limit-exceeded` once the entry is too large. */
  checkSize(): void {
    const bytes = this.bytes();
    if (bytes > LIMITS.entryBytes) throw limitExceeded("entryBytes", bytes, "the transaction's changes");
  }

  /** Ends the entry and hands out its parts. Pages keep the changes. `horizon`: see `Frame.trim`. */
  finish(horizon: ReadPoint, undecided: number): Built {
    const bytes = this.bytes();
    const edits: FrameEdit[] = [];
    for (let i = 0; i < this.used; i++) {
      const edit = this.edits[i]!;
      edit.frame.edit = undefined;
      if (!edit.isEmpty) edits.push(edit);
    }
    // Nearly sorted already, and mostly two or three.
    edits.sort((a, b) => a.frame.page - b.frame.page);
    const deltas: Delta[] = [];
    const frames: Frame[] = [];
    for (const edit of edits) {
      const frame = edit.frame;
      this.reads.delete(frame);
      deltas.push({ page: frame.page, base: edit.base, ops: edit.forward(this.forwardArena) });
      frame.push(this.version, edit.reverse(this.reverseArena));
      frame.trim(horizon, undecided);
      frames.push(frame);
    }
    const checks: ReadCheck[] = [];
    for (const frame of this.reads) checks.push({ page: frame.page, base: frame.version });
    checks.sort((a, b) => a.page - b.page);
    const ownBases = this.ownBases();
    this.end();
    return { deltas, checks, ownBases, frames, bytes: bytes + checks.length * DELTA_OVERHEAD };
  }

  /** Own undecided entries built on so far, ascending. */
  ownBases(): Lsn[] {
    if (this.bases.size === 0) return [];
    return [...this.bases].sort((a, b) => a - b);
  }

  /** Takes everything back. */
  undo(): void {
    for (let i = 0; i < this.used; i++) {
      const edit = this.edits[i]!;
      if (!edit.isEmpty) edit.undo();
      edit.frame.edit = undefined;
    }
    this.end();
  }

  private bytes(): number {
    return this.meter.opsBytes + this.used * DELTA_OVERHEAD;
  }

  private end(): void {
    this.active = false;
    this.used = 0;
    // One huge entry must not hold its buffers for ever.
    if (this.edits.length > 256) this.edits = this.edits.slice(0, 256);
  }
}
