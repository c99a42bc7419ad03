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
  const found = terms.map((term) => textsWith(chunk, term));
  const rows = [];
  chunk.used.forEach((places, row) => {
    if (found.every((texts) => places.some((place) => texts[place]))) rows.push(chunk.first + row);
  });
  return rows;
};

const answer = () => {
  if (!question) return;
  const rows = [];
  for (; searched < chunks.length; searched += 1) for (const row of rowsWith(chunks[searched], question.terms)) rows.push(row);
  postMessage({ number: question.number, searched, rows });
};

const unpackAll = async () => {
  busy = true;
  while (packed.length) {
    const { first, content } = packed.shift();
    const { ends, used, texts } = readTexts(await unpack(content));
    chunks.push({ first, ends, used, texts: folded(texts) });
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
