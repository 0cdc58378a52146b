/**
 * The dependency graph of a history, and three ways of looking at it.
 *
 * Every transaction T has two nodes: its snapshot s(T), where it reads, and its commit c(T), where its writes take
 * effect; s(T) comes before c(T). Edges say what comes before what:
 *
 *     ww  T overwrote what S wrote              c(S) -> s(T);  c(S) -> c(T) if T wrote blindly
 *     wr  T read what S wrote                   c(S) -> s(T)
 *     session, time  T began when S had ended   c(S) -> s(T)
 *     rw  T overwrote what R read               s(R) -> c(T);  c(R) -> c(T) where R is taken for serializable
 *
 * A step is an edge of no weight that only joins nodes: s(T) -> c(T), and the helper nodes that keep the graph linear in size (a
 * barrier in time, or "all later writers of this key").
 *
 * Where an anti-dependency leaves its reader is all that isolation levels differ in (Adya, section 5.5.1: a mix obliges
 * by the level of who read; Cerone and Gotsman, "Analysing Snapshot Isolation", JACM 2018, theorems 9 to 11):
 *
 *     view        leaves at            its cycles
 *     none        nowhere              G0, G1c: nobody may show them
 *     promised    serializable c,      what serializable and cluster transactions must not show
 *                 cluster s, else no
 *     snapshots   s for all            ... and long forks
 *     serial      c for all            ... and write skew: everything that is not serializable
 */
import { IntList } from "./int-list.ts";

export const STEP = 0;
export const WW = 1;
export const WR = 2;
export const SESSION = 3;
export const TIME = 4;
export const RW = 5;
export type EdgeKind = 0 | 1 | 2 | 3 | 4 | 5;

export const snapshotOf = (transaction: number): number => transaction * 2;
export const commitOf = (transaction: number): number => transaction * 2 + 1;

/** A set of kinds, as bits. Steps always belong to it. */
export const kinds = (...some: readonly EdgeKind[]): number =>
  some.reduce<number>((mask, kind) => mask | (1 << kind), 1 << STEP);

/** No version: what the edge says has nothing to do with a key. */
export const NO_VERSION = -1;

export class Edges {
  readonly transactions: number;
  private readonly froms = new IntList();
  private readonly tos = new IntList();
  private readonly kindList = new IntList();
  private readonly olders = new IntList();
  private readonly newers = new IntList();
  private helpers = 0;

  constructor(transactions: number) {
    this.transactions = transactions;
  }

  get count(): number {
    return this.froms.length;
  }

  get nodes(): number {
    return this.transactions * 2 + this.helpers;
  }

  /** A node that stands for no transaction. */
  helper(): number {
    return this.transactions * 2 + this.helpers++;
  }

  /** The transaction of a node, or undefined for a helper. */
  transactionAt(node: number): number | undefined {
    return node < this.transactions * 2 ? node >> 1 : undefined;
  }

  step(from: number, to: number): void {
    this.add(from, to, STEP, NO_VERSION, NO_VERSION);
  }

  /** The step from a helper to a later writer: what its incoming anti-dependencies lead to. */
  stepToWriter(from: number, writer: number, newer: number): void {
    this.add(from, commitOf(writer), STEP, NO_VERSION, newer);
  }

  /** `newer` came after `older`; `blind`: its writer need not have had `older` in its snapshot. */
  overwritten(by: number, writer: number, versions: { older: number; newer: number; blind: boolean }): void {
    const to = versions.blind ? commitOf(by) : snapshotOf(by);
    this.add(commitOf(writer), to, WW, versions.older, versions.newer);
  }

  read(writer: number, reader: number, version: number): void {
    this.add(commitOf(writer), snapshotOf(reader), WR, version, version);
  }

  /** `reader` saw `older`, and `writer` wrote `newer`, which came after it. */
  antiDependency(reader: number, writer: number, older: number, newer: number): void {
    this.add(snapshotOf(reader), commitOf(writer), RW, older, newer);
  }

  /** As `antiDependency`, to all writers that `helper` leads to. */
  antiDependencies(reader: number, helper: number, older: number): void {
    this.add(snapshotOf(reader), helper, RW, older, NO_VERSION);
  }

  session(earlier: number, later: number): void {
    this.add(commitOf(earlier), snapshotOf(later), SESSION, NO_VERSION, NO_VERSION);
  }

  time(barrier: number, later: number): void {
    this.add(barrier, snapshotOf(later), TIME, NO_VERSION, NO_VERSION);
  }

  /** The node an edge leaves; of an anti-dependency always s(R), views move it. */
  from(edge: number): number {
    return this.froms.at(edge);
  }

  to(edge: number): number {
    return this.tos.at(edge);
  }

  kind(edge: number): EdgeKind {
    return this.kindList.at(edge) as EdgeKind;
  }

  older(edge: number): number {
    return this.olders.at(edge);
  }

  newer(edge: number): number {
    return this.newers.at(edge);
  }

  private add(from: number, to: number, kind: EdgeKind, older: number, newer: number): void {
    this.froms.push(from);
    this.tos.push(to);
    this.kindList.push(kind);
    this.olders.push(older);
    this.newers.push(newer);
  }
}
