/**
 * Snapshots at `session` consistency: parallel snapshot isolation (Sovran et al., "Transactional storage for geo-replicated systems",
 * SOSP 2011) with sessions. Forbidden is every cycle with just one anti-dependency (Cerone and Gotsman, JACM 2018, theorem 11):
 * R did not see a write of W, although W, or something built on W, is visible to it:
 *
 *       W ──ww, wr, session, time──> … ──> R ──rw──> W
 *
 * Cycles with several such R are allowed, and busy histories are full of them, so that components tell nothing.
 * Each anti-dependency is tried by itself: does W reach R? Positions (commit-order.ts) bound the search to what lies between.
 */
import { ALL_KINDS, WAYS_BACK } from "./cycle-search.ts";
import { linksOf } from "./cycle.ts";
import { RW, STEP } from "./edges.ts";
import type { Exits } from "./exits.ts";
import type { Findings } from "./findings.ts";
import { PathFinder } from "./paths.ts";
import type { View } from "./view.ts";

/** Nodes visited by all searches together. In a history that keeps its promises a few for each read. */
const VISITS_MAX = 500_000_000;
/** Cycles that are looked for after the first was found. */
const CYCLES_MAX = 100;

export class ParallelSnapshotCheck {
  private readonly view: View;
  private readonly positions: Int32Array;
  private readonly exits: Exits;
  private readonly findings: Findings;
  private readonly metAt: Int32Array;
  private readonly laterWriters = new Map<number, readonly number[]>();
  private search = 0;
  private visits = 0;

  /** `view`: without anti-dependencies. */
  constructor(view: View, positions: Int32Array, exits: Exits, findings: Findings) {
    this.view = view;
    this.positions = positions;
    this.exits = exits;
    this.findings = findings;
    this.metAt = new Int32Array(view.nodes);
  }

  /** Returns whether the search is complete: false if it was given up before it found anything. */
  run(): boolean {
    const { edges } = this.view;
    const paths = new PathFinder(this.view);
    let found = 0;
    for (let edge = 0; edge < edges.count; edge++) {
      if (edges.kind(edge) !== RW || this.exits(edges.from(edge) >> 1) !== "nowhere") continue;
      const reader = edges.from(edge);
      for (const step of this.waysOn(edge, reader)) {
        const start = edges.to(step);
        if (!this.reaches(start, reader)) continue;
        const end = this.positions[reader]!;
        for (const mask of [...WAYS_BACK, ALL_KINDS]) {
          const path = paths.find(start, reader, mask, (node) => this.positions[node]! <= end);
          if (path === undefined) continue;
          this.findings.addCycle(linksOf(edges, step === edge ? [edge, ...path] : [edge, step, ...path]));
          break;
        }
        if (++found === CYCLES_MAX) return true;
      }
      if (this.visits > VISITS_MAX) return found > 0;
    }
    return true;
  }

  /** The edge itself if it leads to a writer, else the steps from its helper to writers that might reach the reader. */
  private waysOn(edge: number, reader: number): readonly number[] {
    const { edges } = this.view;
    const to = edges.to(edge);
    if (edges.transactionAt(to) !== undefined) return [edge];
    let steps = this.laterWriters.get(to);
    if (steps === undefined) {
      const all: number[] = [];
      for (let at = this.view.start(to); at < this.view.end(to); at++) all.push(this.view.edgeAt(at));
      steps = all
        .filter((step) => edges.kind(step) === STEP)
        .sort((a, b) => this.positions[edges.to(a)]! - this.positions[edges.to(b)]!);
      this.laterWriters.set(to, steps);
    }
    const end = this.positions[reader]!;
    const beyond = steps.findIndex((step) => this.positions[edges.to(step)]! > end);
    return beyond < 0 ? steps : steps.slice(0, beyond);
  }

  private reaches(from: number, to: number): boolean {
    const { view, positions, metAt } = this;
    const end = positions[to]!;
    if (positions[from]! > end) return false;
    this.search++;
    metAt[from] = this.search;
    const open = [from];
    for (let node = open.pop(); node !== undefined; node = open.pop()) {
      if (node === to) return true;
      this.visits++;
      for (let at = view.start(node); at < view.end(node); at++) {
        const next = view.edges.to(view.edgeAt(at));
        if (metAt[next] === this.search || positions[next]! > end) continue;
        metAt[next] = this.search;
        open.push(next);
      }
    }
    return false;
  }
}
