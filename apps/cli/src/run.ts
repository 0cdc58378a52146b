/** One invocation of the command line, from its words to its exit code. */
import { type Command, CommanderError } from "commander";
import { SixfoldError } from "@sixfold/model";
import type { Platform } from "./platform.ts";
import { makeProgram } from "./program.ts";
import { CommandError, UsageError } from "./usage.ts";

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** `words`: what follows the program's name. Never throws. */
export async function run(platform: Platform, words: readonly string[], version: string): Promise<number> {
  const program = makeProgram(platform, version);
  const command = program.commands.find((one) => one.name() === words.find((word) => !word.startsWith("-")));
  const name = command?.name();
  const say = (text: string): void =>
    platform.stderr.write(`sixfold${name === undefined ? "" : ` ${name}`}: ${text}\n`);
  try {
    if (words.length === 0) {
      platform.stderr.write(program.helpInformation());
      return EXIT_USAGE;
    }
    await program.parseAsync(words, { from: "user" });
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, command, say);
    if (error instanceof UsageError) {
      say(error.message);
      return EXIT_USAGE;
    }
    // What a command or a node says in so many words needs no stack; anything else is a defect, and then it does.
    if (error instanceof CommandError) say(error.message);
    else if (platform.signal.aborted) say("interrupted");
    else if (error instanceof SixfoldError || !(error instanceof Error)) say(String(messageOf(error)));
    else say(error.stack ?? error.message);
    return EXIT_FAILED;
  }
}

function endOfParsing(
  error: CommanderError,
  command: Command | undefined,
  say: (text: string) => void,
): number {
  // Help or version was asked for, and given.
  if (error.exitCode === 0) return EXIT_OK;
  const what = error.message
    .replace(/^error: /, "")
    .replace(/^command-argument value ('.*') is invalid for argument '(.*)'\./, "$1 is not a $2.")
    // commander puts its suggestions on lines of their own.
    .replaceAll(/\s*\n\s*/g, " ");
  const form = command === undefined ? "<command> [options]" : `${command.name()} ${command.usage()}`;
  const help = command === undefined ? "--help" : `${command.name()} --help`;
  say(`${what.replace(/[.\s]*$/, "")}. Right form: sixfold ${form}; see sixfold ${help}`);
  return EXIT_USAGE;
}

function messageOf(error: unknown): unknown {
  return error instanceof Error ? error.message : error;
}
