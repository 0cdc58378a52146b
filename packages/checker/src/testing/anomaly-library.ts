/**
 * Each anomaly as a small history, and the same history mended. The notation is notation.ts's. All transactions have the weakest
 * options that forbid the anomaly, unless a line says otherwise.
 */
import type { AnomalyName, PromiseName } from "../report.ts";

export interface AnomalyCase {
  readonly name: AnomalyName;
  readonly title: string;
  /** The options of all its transactions, and the promise it breaks. */
  readonly promise: PromiseName;
  readonly broken: string;
  readonly repaired: string;
  /** Options under which the broken history is allowed, but the anomaly seen. */
  readonly allowedBy?: readonly PromiseName[];
}

const valuesThatNeverWere: readonly AnomalyCase[] = [
  {
    name: "garbage read",
    title: "a list holds what nobody appended",
    promise: "snapshot+session",
    broken: `
      T1  x+1
      T2  x[1 7]`,
    repaired: `
      T1  x+1
      T2  x[1]`,
  },
  {
    name: "garbage read",
    title: "a register holds what nobody wrote",
    promise: "snapshot+session",
    broken: `
      T1  x:=1
      T2  x==7`,
    repaired: `
      T1  x:=1
      T2  x==1`,
  },
  {
    name: "duplicate",
    title: "an append that was retried took effect twice",
    promise: "snapshot+session",
    broken: `
      T1  x+1
      T2  x+2
      T3  x[1 2 1]`,
    repaired: `
      T1  x+1
      T2  x+2
      T3  x[1 2]`,
  },
  {
    name: "incompatible order",
    title: "two replicas applied two appends in different orders",
    promise: "snapshot+session",
    broken: `
      T1  x+1
      T2  x+2
      T3  x[1 2]
      T4  x[2 1]`,
    repaired: `
      T1  x+1
      T2  x+2
      T3  x[1 2]
      T4  x[1]`,
  },
  {
    name: "internal inconsistency",
    title: "a transaction does not see its own append",
    promise: "snapshot+session",
    broken: `
      T1  x[]  x+1  x[]`,
    repaired: `
      T1  x[]  x+1  x[1]`,
  },
  {
    name: "internal inconsistency",
    title: "a row changes under a transaction's eyes",
    promise: "snapshot+session",
    broken: `
      T1  x:=1
      T2  x==-  x==1`,
    repaired: `
      T1  x:=1
      T2  x==-  x==-`,
  },
  {
    name: "internal inconsistency",
    title: "a read shows what the transaction writes only later",
    promise: "snapshot+session",
    broken: `
      T1  x[1]  x+1`,
    repaired: `
      T1  x[]  x+1`,
  },
  {
    name: "G1a",
    title: "aborted read: in a list",
    promise: "snapshot+session",
    broken: `
      T1  aborted  x+1
      T2  x[1]`,
    repaired: `
      T1  aborted  x+1
      T2  x[]`,
  },
  {
    name: "G1a",
    title: "aborted read: of a register",
    promise: "snapshot+session",
    broken: `
      T1  aborted  x:=1
      T2  x==1`,
    repaired: `
      T1  unknown  x:=1
      T2  x==1`,
  },
  {
    name: "G1b",
    title: "intermediate read: a transaction's first append, not its second",
    promise: "snapshot+session",
    broken: `
      T1  x+1  x+2
      T2  x[1]
      T3  x[1 2]`,
    repaired: `
      T1  x+1  x+2
      T2  x[]
      T3  x[1 2]`,
  },
  {
    name: "G1b",
    title: "intermediate read: of a register that was written again",
    promise: "snapshot+session",
    broken: `
      T1  x:=1  x:=2
      T2  x==1`,
    repaired: `
      T1  x:=1  x:=2
      T2  x==2`,
  },
];

const circularWrites: readonly AnomalyCase[] = [
  {
    name: "G0",
    title: "dirty write: two transactions' appends interleave",
    promise: "snapshot+session",
    broken: `
      T1  x+1  y+1
      T2  x+2  y+2
      T3  x[1 2]  y[2 1]`,
    repaired: `
      T1  x+1  y+1
      T2  x+2  y+2
      T3  x[1 2]  y[1 2]`,
  },
  {
    name: "G1c",
    title: "circular information flow: each sees the other's write",
    promise: "snapshot+session",
    broken: `
      T1  x+1  y[2]
      T2  y+2  x[1]`,
    repaired: `
      T1  x+1  y[]
      T2  y+2  x[1]`,
  },
  {
    name: "G1c",
    title: "circular information flow, in registers",
    promise: "snapshot+session",
    broken: `
      T1  x:=1  y==2
      T2  y:=2  x==1`,
    repaired: `
      T1  x:=1  y==2
      T2  y:=2  x==-`,
  },
];

const singleMisses: readonly AnomalyCase[] = [
  {
    name: "lost update",
    title: "two transactions read one list and append, seen in between",
    promise: "snapshot+session",
    broken: `
      T1  x[]  x+1
      T2  x[]  x+2
      T3  x[1 2]`,
    repaired: `
      T1  x[]  x+1
      T2  x[1]  x+2
      T3  x[1 2]`,
  },
  {
    name: "lost update",
    title: "two transactions read one register and write it, nobody looks",
    promise: "snapshot+session",
    broken: `
      T1  x==-  x:=1
      T2  x==-  x:=2`,
    repaired: `
      T1  x==-  x:=1
      T2  x==1  x:=2`,
  },
  {
    name: "lost update",
    title: "two transactions append to a list as nobody saw it",
    promise: "snapshot+session",
    broken: `
      T0  x+9
      T1  x[9]  x+1
      T2  x[9]  x+2`,
    repaired: `
      T0  x+9
      T1  x[9]  x+1
      T2  x[9 1]  x+2`,
  },
  {
    name: "read your writes",
    title: "a session does not see what it wrote",
    promise: "snapshot+session",
    broken: `
      T1 @A 0-1  x+1
      T2 @A 2-3  x[]
      T3         x[1]`,
    repaired: `
      T1 @A 0-1  x+1
      T2 @B 2-3  x[]
      T3         x[1]`,
  },
  {
    name: "monotonic reads",
    title: "a session sees a write, then no longer",
    promise: "snapshot+session",
    broken: `
      T1         x:=1
      T2 @A 0-1  x==1
      T3 @A 2-3  x==-`,
    repaired: `
      T1         x:=1
      T2 @A 0-1  x==-
      T3 @A 2-3  x==1`,
  },
  {
    name: "monotonic writes",
    title: "a session's second write is visible, its first is not",
    promise: "snapshot+session",
    broken: `
      T1 @A 0-1  x:=1
      T2 @A 2-3  y:=2
      T3         y==2  x==-`,
    repaired: `
      T1 @A 0-1  x:=1
      T2 @A 2-3  y:=2
      T3         y==-  x==1`,
  },
  {
    name: "monotonic writes",
    title: "a list has a session's appends in the wrong order",
    promise: "snapshot+session",
    broken: `
      T1 @A 0-1  x+1
      T2 @A 2-3  x+2
      T3         x[2 1]`,
    repaired: `
      T1 @A 0-1  x+1
      T2 @A 2-3  x+2
      T3         x[1 2]`,
  },
  {
    name: "writes follow reads",
    title: "an answer is visible without the question",
    promise: "snapshot+session",
    broken: `
      T1         x:=1
      T2 @A 0-1  x==1
      T3 @A 2-3  y:=2
      T4         y==2  x==-`,
    repaired: `
      T1         x:=1
      T2 @A 0-1  x==1
      T3 @A 2-3  y:=2
      T4         y==2  x==1`,
  },
  {
    name: "G-single",
    title: "read skew: half of a transfer",
    promise: "snapshot+session",
    broken: `
      T1  x+1  y+1
      T2  x[1]  y[]
      T3  y[1]`,
    repaired: `
      T1  x+1  y+1
      T2  x[]  y[]
      T3  y[1]`,
  },
  {
    name: "G-single",
    title: "a snapshot lacks what another visible transaction had seen",
    promise: "snapshot+session",
    broken: `
      T1  x:=1
      T2  x==1  y:=2
      T3  y==2  x==-`,
    repaired: `
      T1  x:=1
      T2  x==-  y:=2
      T3  y==2  x==-`,
  },
];

const timeAndForks: readonly AnomalyCase[] = [
  {
    name: "stale read",
    title: "a read at cluster consistency misses what had ended before",
    promise: "snapshot+cluster",
    broken: `
      T1 0-1  x:=1
      T2 2-3  x==-`,
    repaired: `
      T1 0-1  x:=1
      T2 1-3  x==-`,
    allowedBy: ["snapshot+session", "serializable+session"],
  },
  {
    name: "stale read",
    title: "an append that had ended is missing from a later list",
    promise: "serializable+cluster",
    broken: `
      T1 0-1  x+1
      T2 0-1  x+2
      T3 2-3  x[2]`,
    repaired: `
      T1 0-1  x+1
      T2 0-1  x+2
      T3 2-3  x[2 1]`,
  },
  {
    name: "long fork",
    title: "two readers see two writes in different orders",
    promise: "snapshot+cluster",
    broken: `
      T1  x:=1
      T2  y:=2
      T3  x==1  y==-
      T4  x==-  y==2`,
    repaired: `
      T1  x:=1
      T2  y:=2
      T3  x==1  y==-
      T4  x==1  y==2`,
    allowedBy: ["snapshot+session"],
  },
  {
    name: "long fork",
    title: "the same in lists, under serializability",
    promise: "serializable+session",
    broken: `
      T1  x+1
      T2  y+2
      T3  x[1]  y[]
      T4  x[]  y[2]`,
    repaired: `
      T1  x+1
      T2  y+2
      T3  x[1]  y[]
      T4  x[]  y[]`,
    allowedBy: ["snapshot+session"],
  },
  {
    name: "write skew",
    title: "two doctors go off duty, each having seen the other on",
    promise: "serializable+session",
    broken: `
      T1  x==-  y==-  x:=1
      T2  x==-  y==-  y:=2`,
    repaired: `
      T1  x==-  y==-  x:=1
      T2  x==1  y==-  y:=2`,
    allowedBy: ["snapshot+session", "snapshot+cluster"],
  },
  {
    name: "G2-item",
    title: "write skew around three corners",
    promise: "serializable+session",
    broken: `
      T1  x[]  y+1
      T2  y[]  z+2
      T3  z[]  x+3
      T4  x[3]  y[1]  z[2]`,
    repaired: `
      T1  x[]  y+1
      T2  y[]  z+2
      T3  z[2]  x+3
      T4  x[3]  y[1]  z[2]`,
    allowedBy: ["snapshot+session", "snapshot+cluster"],
  },
  {
    name: "G2-item",
    title: "a read-only transaction sees what no order explains (Fekete, O'Neil and O'Neil 2004)",
    promise: "serializable+session",
    broken: `
      T1  x==-  y==-  x:=1
      T2  y==-  y:=2
      T3  x==-  y==2`,
    repaired: `
      T1  x==-  y==2  x:=1
      T2  y==-  y:=2
      T3  x==-  y==2`,
    allowedBy: ["snapshot+session", "snapshot+cluster"],
  },
];

export const ANOMALY_LIBRARY: readonly AnomalyCase[] = [
  ...valuesThatNeverWere,
  ...circularWrites,
  ...singleMisses,
  ...timeAndForks,
];
