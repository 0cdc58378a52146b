/**
 * Pages on their way from storage.
 *
 * Heads are asked for at `newest`, everything this node knows to be committed. Foreign deltas that
 * arrive meanwhile are kept with the load and applied after it by their bases; those
 * that the image has already are known by its read point. A head whose load cannot be trusted any
 * more (part of a stream was missed) is asked for again when it arrives.
 *
 * Pasts are asked for at a view's read point and belong to that view.
 */
import {
  sameVersion,
  type Delta,
  type PageId,
  type PageVersion,
  type ReadPoint,
  YoungMap,
} from "@sixfold/model";
import type { BufferPool } from "./buffer-pool.ts";
import type { EngineEffect, LoadedPage } from "./engine-api.ts";
import type { Frame } from "./frame.ts";
import type { Job } from "./job.ts";
import type { ReadView } from "./read-view.ts";

interface HeadLoad {
  /** Undefined until the effect is out. */
  readPoint: ReadPoint | undefined;
  /** Do not use the image that is on its way. */
  stale: boolean;
  deltas: { readonly version: PageVersion; readonly delta: Delta }[];
  waiters: Job[];
}

/** Pages of one view. */
interface PastLoads {
  readonly view: ReadView;
  readonly waiters: Map<PageId, Job[]>;
  /** Those that are yet to be asked for. */
  ask: PageId[];
}

/** Deltas kept for one load; beyond it the page is asked for again. */
const MAX_DELTAS = 4096;

export class PageLoads {
  private readonly heads = new YoungMap<PageId, HeadLoad>();
  /** By the read point object that their answers carry. */
  private readonly pasts = new YoungMap<ReadPoint, PastLoads>();
  private askHeads: PageId[] = [];
  private askPasts: PastLoads[] = [];
  private readonly effects: EngineEffect[];
  asked = 0;

  constructor(effects: EngineEffect[]) {
    this.effects = effects;
  }

  /** `job` waits for the page's head. */
  wantHead(page: PageId, job: Job): void {
    let load = this.heads.get(page);
    if (load === undefined) {
      load = { readPoint: undefined, stale: false, deltas: [], waiters: [] };
      this.heads.set(page, load);
      this.askHeads.push(page);
    }
    addLast(load.waiters, job);
  }

  wantPast(view: ReadView, page: PageId, job: Job): void {
    let loads = this.pasts.get(view.readPoint);
    if (loads === undefined) this.pasts.set(view.readPoint, (loads = { view, waiters: new Map(), ask: [] }));
    let waiters = loads.waiters.get(page);
    if (waiters === undefined) {
      loads.waiters.set(page, (waiters = []));
      if (loads.ask.length === 0) this.askPasts.push(loads);
      loads.ask.push(page);
    }
    addLast(waiters, job);
  }

  /** Pages that were asked for, or are about to be. */
  get underWay(): number {
    let pages = this.heads.size;
    for (const { waiters } of this.pasts.values()) pages += waiters.size;
    return pages;
  }

  /** Emits what was asked for since the last flush. */
  flush(newest: ReadPoint): void {
    if (this.askHeads.length > 0) {
      const readPoint = newest.clone();
      for (const page of this.askHeads) this.heads.get(page)!.readPoint = readPoint;
      this.effects.push({ kind: "load", pages: this.askHeads, readPoint });
      this.asked += this.askHeads.length;
      this.askHeads = [];
    }
    for (const loads of this.askPasts) {
      this.effects.push({ kind: "load", pages: loads.ask, readPoint: loads.view.readPoint });
      this.asked += loads.ask.length;
      loads.ask = [];
    }
    this.askPasts.length = 0;
  }

  /** A committed foreign delta: kept if its page is on the way. */
  foreignDelta(version: PageVersion, delta: Delta): void {
    const load = this.heads.get(delta.page);
    if (load === undefined) return;
    if (load.deltas.length < MAX_DELTAS) load.deltas.push({ version, delta });
    else {
      load.deltas = [];
      load.stale = true;
    }
  }

  /** Part of a foreign stream was missed: what is on its way may lack it. */
  distrust(): void {
    for (const load of this.heads.values()) {
      if (load.readPoint !== undefined) load.stale = true;
      load.deltas = [];
    }
  }

  /** Takes a loaded head into the pool. Undefined if this is no answer to a load under way, or the page must be asked for again. */
  headArrived(result: LoadedPage, pool: BufferPool): { frame: Frame; waiters: Job[] } | undefined {
    const load = this.heads.get(result.page);
    if (load === undefined || load.readPoint !== result.readPoint) return undefined;
    if (load.stale) return this.again(result.page, load);
    const frame = pool.add(result.page, result.image, result.version, result.readPoint);
    for (const { version, delta } of load.deltas) {
      if (result.readPoint.includes(version)) continue;
      if (!sameVersion(delta.base, frame.version)) {
        pool.drop(frame);
        return this.again(result.page, load);
      }
      frame.apply(version, delta.ops);
    }
    this.heads.delete(result.page);
    return { frame, waiters: load.waiters };
  }

  /** The view of a past page that arrived, and who waits for it, if that was asked for. The view may have been closed meanwhile. */
  pastArrived(page: PageId, readPoint: ReadPoint): { view: ReadView; waiters: Job[] } | undefined {
    const loads = this.pasts.get(readPoint);
    const waiters = loads?.waiters.get(page);
    if (loads === undefined || waiters === undefined) return undefined;
    loads.waiters.delete(page);
    if (loads.waiters.size === 0) this.pasts.delete(readPoint);
    return { view: loads.view, waiters };
  }

  /** A head could not be loaded: its waiters, who are no longer waiting. */
  headFailed(page: PageId, readPoint: ReadPoint): Job[] {
    const load = this.heads.get(page);
    if (load === undefined || load.readPoint !== readPoint) return [];
    this.heads.delete(page);
    return load.waiters;
  }

  /** A head's read point is no longer kept: ask at a newer one. */
  headTooOld(page: PageId, readPoint: ReadPoint): void {
    const load = this.heads.get(page);
    if (load !== undefined && load.readPoint === readPoint) this.again(page, load);
  }

  private again(page: PageId, load: HeadLoad): undefined {
    // Deltas collected so far are visible at the newer read point, or were missed together with others.
    load.readPoint = undefined;
    load.stale = false;
    load.deltas = [];
    this.askHeads.push(page);
    return undefined;
  }
}

/** A job that waits already is woken once. */
function addLast(waiters: Job[], job: Job): void {
  if (waiters[waiters.length - 1] !== job) waiters.push(job);
}
