/**
 * The rules by which the manifest's seats move (`ManifestRegister`), tried in full at a small size: two sets of three seats, majorities of
 * two, any number of rounds, and all that can become of each.
 *
 * Rounds may be taken one after the other, in the order of their ballots: whatever a seat did for a lower ballot it did before it
 * promised a higher one. So all that can differ is who promises a round, what the round makes of the value it finds, and who accepts
 * that; and no round whose phase 1 ends may find less than was chosen before.
 */
import { describe, expect, test } from "vitest";

/** A bit for each seat. */
type Seats = number;

const C: Seats = 0b000111;
const D: Seats = 0b111000;
const SETS = [C, D];
const SEATS = 6;
interface Rules {
  /** Both sets count while they move. */
  readonly both: boolean;
  /** The seats move only from a value that was seen chosen. */
  readonly settled: boolean;
  /** No step from both sets back to the old one. */
  readonly forward: boolean;
}

const RULES: Rules = { both: true, settled: true, forward: true };

/**
 * What can matter after any number of rounds: the values that seats still hold, in the order of their ballots, numbered from 0; and from
 * which of them on a round has missed nothing that was chosen.
 */
interface State {
  /** By number: the sets that the value names. */
  readonly values: readonly (readonly Seats[])[];
  /** By seat: the value it holds. */
  readonly held: readonly number[];
  /** Values of lower numbers are older than one that was chosen. */
  readonly safeFrom: number;
}

/** Nothing is written yet, and C is to hold what will be. */
const ROOT: State = { values: [[C]], held: Array.from({ length: SEATS }, () => 0), safeFrom: 0 };

const isMajority = (of: Seats, there: Seats): boolean => {
  const both = of & there;
  return (both & (both - 1)) !== 0;
};

/** What phase 1 may end with: each value that some set of promises shows as the newest, and whether some set shows it chosen. */
function found({ values, held }: State, rules: Rules): Map<number, boolean> {
  const out = new Map<number, boolean>();
  for (let promises = 1; promises < 1 << SEATS; promises++) {
    if (isRepeated(held, promises)) continue;
    let newest = 0;
    for (let s = 0; s < SEATS; s++) if ((promises >> s) & 1) newest = Math.max(newest, held[s]!);
    const sets = counted(values[newest]!, rules);
    if (!sets.every((set) => isMajority(set, promises))) continue;
    let same = 0;
    for (let s = 0; s < SEATS; s++) if ((promises >> s) & 1 && held[s] === newest) same |= 1 << s;
    const chosen = sets.every((set) => isMajority(set, same));
    out.set(newest, chosen || out.get(newest) === true);
  }
  return out;
}

const counted = (sets: readonly Seats[], { both }: Rules): readonly Seats[] =>
  both ? sets : sets.slice(0, 1);

/** What the next value may name, after one that names `sets`. */
function nextSets(sets: readonly Seats[], seenChosen: boolean, rules: Rules): (readonly Seats[])[] {
  const out = [sets];
  if (rules.settled && !seenChosen) return out;
  const [old, next] = sets;
  if (next === undefined) for (const to of SETS) if (to !== old) out.push([old!, to]);
  if (next !== undefined) out.push([next]);
  if (next !== undefined && !rules.forward) out.push([old!]);
  return out;
}

/** Every state that any number of rounds can reach; or, if a round can miss what was chosen, how many rounds that takes. */
function tryAll(rules: Rules): { readonly states: number } | { readonly missedBy: number } {
  const known = new Set([keyOf(ROOT)]);
  let latest = [ROOT];
  for (let round = 1; latest.length > 0; round++) {
    const reached: State[] = [];
    for (const state of latest) {
      // Whatever the value found was, only the sets that the next one names make a difference.
      const next = new Map<string, readonly Seats[]>();
      for (const [newest, seenChosen] of found(state, rules)) {
        if (newest < state.safeFrom) return { missedBy: round };
        for (const sets of nextSets(state.values[newest]!, seenChosen, rules)) next.set(sets.join(" "), sets);
      }
      for (const sets of next.values())
        for (const after of accepts(state, sets, rules)) {
          const key = keyOf(after);
          if (known.has(key)) continue;
          known.add(key);
          reached.push(after);
        }
    }
    latest = reached;
  }
  return { states: known.size };
}

const keyOf = ({ values, held, safeFrom }: State): string =>
  `${values.join(" ")}|${held.join("")}|${safeFrom}`;

/** The round's value, accepted by any of those whom it names. */
function* accepts(state: State, sets: readonly Seats[], rules: Rules): Generator<State> {
  const named = sets.reduce((all, set) => all | set, 0);
  const own = state.values.length;
  const values = [...state.values, sets];
  for (let who = named; who > 0; who = (who - 1) & named) {
    if (isRepeated(state.held, who)) continue;
    const held = state.held.map((before, s) => ((who >> s) & 1 ? own : before));
    const chosen = counted(sets, rules).every((set) => isMajority(set, who));
    yield renumbered({ values, held, safeFrom: chosen ? own : state.safeFrom });
  }
}

/** Without the values that nobody holds any more. Seats of one set may be exchanged: each set's come in the order of what they hold. */
function renumbered({ values, held, safeFrom }: State): State {
  const numbers = new Map<number, number>();
  for (const [v] of values.entries()) if (held.includes(v)) numbers.set(v, numbers.size);
  const now = held.map((v) => numbers.get(v)!);
  const sorted = (from: number): number[] => now.slice(from, from + 3).sort((a, b) => a - b);
  return {
    values: [...numbers.keys()].map((v) => values[v]!),
    held: [...sorted(0), ...sorted(3)],
    safeFrom: [...numbers.keys()].filter((v) => v < safeFrom).length,
  };
}

/** Of seats of one set that hold the same, it does not matter which are in a group: only the groups with the first of them are tried. */
function isRepeated(held: readonly number[], group: Seats): boolean {
  for (let s = 1; s < SEATS; s++)
    if (s !== 3 && held[s] === held[s - 1] && (group >> (s - 1)) % 4 === 2) return true;
  return false;
}

describe("the rules by which seats move", () => {
  test("let no round miss what was chosen", () => {
    expect(tryAll(RULES)).toEqual({ states: 21_367 });
  });

  test.each([
    ["both sets count while they move", { both: false }, 3],
    ["a move ends only from a value that was seen chosen", { settled: false }, 3],
    ["there is no way back", { forward: false }, 4],
  ] as const)("are all needed: %s", (_, broken, rounds) => {
    expect(tryAll({ ...RULES, ...broken })).toEqual({ missedBy: rounds });
  });
});
