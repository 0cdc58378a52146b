/**
 * Random histories of a few transactions on a few keys, about half of them wrong: transactions commit in some order, and each read
 * shows its key after some of them, most often after as many as the other reads of its transaction.
 */
import type { HistoryOperation, HistoryTransaction } from "../history.ts";
import { options } from "./notation.ts";
import type { Random } from "./random.ts";

export interface Shape {
  readonly kind: "list" | "register";
  /** Options of each transaction, drawn from these. */
  readonly promises: readonly string[];
  readonly transactions: number;
  readonly keys: number;
  /** A last transaction reads everything as it is in the end, so that no write stays unseen. */
  readonly isComplete: boolean;
  /** Sessions of several transactions, and moments that do not all overlap. */
  readonly hasOrder: boolean;
  /** Some transactions' outcome is unknown. */
  readonly hasUnknown: boolean;
  /** Transactions write one key at most, and each key they read is as of a moment of its own: where readers disagree on orders. */
  readonly isForked?: boolean;
}

type Write = { readonly key: string; readonly value: number };

export function makeTinyHistory(shape: Shape, random: Random): HistoryTransaction[] {
  const count = shape.isForked ? shape.transactions : 2 + random.below(shape.transactions - 1);
  const plans = Array.from({ length: count }, (_, id) => makePlan(id, shape, random));
  const skeletons = plans.map((plan, id) => makeSkeleton(id, shape, random, plan));
  const moments = shape.hasOrder ? makeMoments(count, random) : undefined;
  const history = plans.map((plan, id): HistoryTransaction => {
    const snapshot = random.chance(0.5) ? id : random.below(count + 1);
    const operations = runPlan(plan, (key) => {
      const seen = !shape.isForked && random.chance(0.75) ? snapshot : random.below(count + 1);
      return plans
        .slice(0, seen)
        .flatMap((other) => writesIn(other).filter((write) => write.key === key && other !== plan));
    });
    return { ...skeletons[id]!, ...moments?.[id], operations };
  });
  if (!shape.isComplete) return history;
  const everything = allKeys(shape).map((key): HistoryOperation => ({ kind: "list", key, values: [] }));
  const operations = runPlan(everything, (key) =>
    plans.flatMap(writesIn).filter((write) => write.key === key),
  );
  return [...history, { ...makeSkeleton(count, shape, random, []), operations, outcome: "committed" }];
}

function allKeys({ keys }: Shape): string[] {
  return Array.from({ length: keys }, (_, i) => "xyz"[i]!);
}

/** Operations whose reads have no answers yet. */
function makePlan(id: number, shape: Shape, random: Random): HistoryOperation[] {
  if (shape.isForked) return makeForkPlan(id, shape, random);
  return Array.from({ length: 1 + random.below(4) }, (_, i): HistoryOperation => {
    const isWrite = random.chance(0.5);
    const key = random.pick(allKeys(shape));
    const value = id * 10 + i + 1;
    if (shape.kind === "list")
      return isWrite ? { kind: "append", key, value } : { kind: "list", key, values: [] };
    return isWrite ? { kind: "write", key, value } : { kind: "read", key, value: undefined };
  });
}

/** A reader of all lists, or an append to one, having read one of them or none. */
function makeForkPlan(id: number, shape: Shape, random: Random): HistoryOperation[] {
  const keys = allKeys(shape);
  const list = (key: string): HistoryOperation => ({ kind: "list", key, values: [] });
  if (random.chance(0.5)) return keys.map(list);
  const append: HistoryOperation = { kind: "append", key: random.pick(keys), value: id * 10 + 1 };
  return random.chance(0.5) ? [append] : [list(random.pick(keys)), append];
}

function makeSkeleton(
  id: number,
  shape: Shape,
  random: Random,
  plan: readonly HistoryOperation[],
): Omit<HistoryTransaction, "operations"> {
  const isUnknown = shape.hasUnknown && writesIn(plan).length > 0 && random.chance(0.25);
  const outcome = isUnknown ? "unknown" : "committed";
  const times = { invokedAt: 0, returnedAt: 1_000 };
  return { id, session: 100 + id, outcome, ...times, ...options(random.pick(shape.promises)) };
}

/** Two sessions and some transactions of their own, each for a while. */
function makeMoments(
  count: number,
  random: Random,
): { session: number; invokedAt: number; returnedAt: number }[] {
  const freeAt = [0, 0];
  return Array.from({ length: count }, (_, id) => {
    const session = random.below(3);
    const invokedAt = Math.max(freeAt[session] ?? 0, id * 2 + random.below(8));
    const returnedAt = invokedAt + 1 + random.below(8);
    if (session < 2) freeAt[session] = returnedAt;
    return { session: session < 2 ? session : 100 + id, invokedAt, returnedAt };
  });
}

function writesIn(plan: readonly HistoryOperation[]): Write[] {
  return plan.flatMap((operation) =>
    operation.kind === "append" || operation.kind === "write" ? [operation] : [],
  );
}

/** Fills in the reads: what `seen` says of others' writes to the key, asked once a key, and the own ones so far. */
function runPlan(
  plan: readonly HistoryOperation[],
  seen: (key: string) => readonly Write[],
): HistoryOperation[] {
  const states = new Map<string, number[]>();
  const stateOf = (key: string): number[] => {
    let state = states.get(key);
    if (state === undefined) states.set(key, (state = seen(key).map(({ value }) => value)));
    return state;
  };
  return plan.map((operation) => {
    const state = stateOf(operation.key);
    switch (operation.kind) {
      case "append":
      case "write":
        state.push(operation.value);
        return operation;
      case "list":
        return { ...operation, values: [...state] };
      case "read":
        return { ...operation, value: state.at(-1) };
    }
  });
}
