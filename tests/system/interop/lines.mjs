// Speaks the lines of the interop tests (hazards/interop/program.rs): a request on stdin, one answer
// on stdout. Ends with its stdin, so that nothing is left behind when a test is killed.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [folder, ...urls] = process.argv.slice(2);

// From the folder that npm filled, which is not above this file.
const installed = createRequire(`${folder}/`);

export const library = (name) => installed(name);

export function clients() {
  const Redis = library("ioredis");
  return urls.map((url) => new Redis(url));
}

// `answers` has a function for each verb; what it throws is an error of the tests, not a refusal.
export async function serve(answers) {
  console.log("ready");
  for await (const line of createInterface({ input: process.stdin })) {
    const [verb, ...words] = line.split(" ");
    try {
      console.log(await answers[verb](...words));
    } catch (error) {
      console.log(`error ${String(error).replaceAll("\n", " ")}`);
    }
  }
  process.exit(0);
}
