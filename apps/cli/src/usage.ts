/**
 * Bad usage: one line that says what is wrong and what the right form is, exit code 2.
 *
 * The parsers are for commander's `argParser`; commander puts the option's name before what they throw.
 */
import { InvalidArgumentError } from "commander";

/** The command was used wrongly although each option alone was well-formed. */
export class UsageError extends Error {}

/** What was asked for failed; the message is all that needs to be said. */
export class CommandError extends Error {}

export interface NumberRange {
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
}

function parseNumber(text: string, range: NumberRange): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const integer = range.integer ?? true;
  if (
    !Number.isFinite(value) ||
    (integer && !Number.isInteger(value)) ||
    value < range.min ||
    value > range.max
  )
    throw new InvalidArgumentError(
      `It must be ${integer ? "a whole number" : "a number"} from ${range.min} to ${range.max}.`,
    );
  return value;
}

export function numberIn(range: NumberRange): (text: string) => number {
  return (text) => parseNumber(text, range);
}

/** `1,2,4`: no blanks needed, duplicates dropped, order kept. */
export function numbersIn(range: NumberRange): (text: string) => number[] {
  return (text) => [...new Set(text.split(",").map((part) => parseNumber(part, range)))];
}

export function oneOf<T extends string>(choices: readonly T[]): (text: string) => T {
  return (text) => parseChoice(text, choices);
}

export function someOf<T extends string>(choices: readonly T[]): (text: string) => T[] {
  return (text) => [...new Set(text.split(",").map((part) => parseChoice(part, choices)))];
}

function parseChoice<T extends string>(text: string, choices: readonly T[]): T {
  const choice = choices.find((c) => c === text.trim());
  if (choice === undefined) throw new InvalidArgumentError(`It must be of ${choices.join(", ")}.`);
  return choice;
}
