// The search, in a worker: texts are unpacked once and kept in lower case; a question is answered chunk by chunk as they come.

const packed = [];
const chunks = [];
let question = null;
let searched = 0;
let busy = false;

// Which texts of a chunk hold a term; a hit that reaches into the next text is none.
const textsWith = ({ texts, ends }, term) => {
  const found = new Uint8Array(ends.length);
  let place = 0;
  for (let at = texts.indexOf(term); at >= 0; at = texts.indexOf(term, at)) {
    while (ends[place] <= at) place += 1;
    if (at + term.length <= ends[place]) { found[place] = 1; at = ends[place]; } else at += 1;
  }
  return found;
};

const rowsWith = (chunk, terms) => {
  const found = [];
  for (const term of terms) {
    const texts = textsWith(chunk, term);
    if (!texts.includes(1)) return [];
    found.push(texts);
  }
  const rows = [];
  chunk.used.forEach((places, row) => {
    if (found.every((texts) => places.some((place) => texts[place]))) rows.push(row);
  });
  return rows;
};

const answer = () => {
  if (!question) return;
  const found = chunks.slice(searched).map((chunk) => [chunk.number, rowsWith(chunk, question.terms)]);
  searched = chunks.length;
  postMessage({ number: question.number, searched, found });
};

const unpackAll = async () => {
  busy = true;
  while (packed.length) {
    const { chunk, content } = packed.shift();
    const { ends, used, texts } = readTexts(await unpack(content));
    chunks.push({ number: chunk, ends, used, texts: folded(texts) });
    postMessage({ unpacked: chunks.length });
    answer();
  }
  busy = false;
};

addEventListener("message", ({ data }) => {
  if (data.terms) {
    question = data;
    searched = 0;
    answer();
  } else {
    packed.push(data);
    if (!busy) unpackAll().catch((error) => postMessage({ problem: String(error) }));
  }
});
