/**
 * A condition: one sentence of the protocol that every step must keep, as a pure function of facts.
 *
 * It is judged when its event happens, against the facts of before. `order` says what that takes:
 *
 *     any    holds in whatever order events of different processes arrive
 *     true   needs support from other processes ("a commit has q accepts"): judged at once where events come in true order, in
 *            the simulator and the model; where they come only roughly so, again after a grace time
 */
import type { NodeName, TraceEvent } from "@sixfold/model";
import type { Facts } from "./facts.ts";
import type { ManifestStep } from "./manifest-steps.ts";

/** What conditions are written over: events, and what manifest events amount to. */
export type Step = TraceEvent | ManifestStep;
export type StepKind = Step["kind"];

export interface Condition<K extends StepKind = StepKind> {
  readonly name: string;
  /** The invariant or the section of DESIGN that it comes from. */
  readonly rule: string;
  /** The sentence. */
  readonly says: string;
  readonly on: K;
  readonly order: "any" | "true";
  /** What is wrong, in words; undefined if the condition holds. `process`: whose event it is. */
  fails(facts: Facts, step: Extract<Step, { kind: K }>, process: NodeName): string | undefined;
}

/** Conditions by the kind of step that they are judged on. */
export type ConditionTable = ReadonlyMap<StepKind, readonly Condition[]>;

/** Keeps the step's type inside of the condition, and forgets it outside: tables hold conditions of all kinds. */
export function condition<K extends StepKind>(c: Condition<K>): Condition {
  return c as unknown as Condition;
}

export function tableOf(conditions: readonly Condition[]): ConditionTable {
  const table = new Map<StepKind, Condition[]>();
  for (const c of conditions) {
    const list = table.get(c.on);
    if (list === undefined) table.set(c.on, [c]);
    else list.push(c);
  }
  return table;
}
