'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const form = byId('form'), field = byId('token'), told = byId('told'), problem = byId('problem'), send = byId('send');

  // describe tells a text's kind and length without showing it.
  const describe = (text) => {
    if (text === '') return 'The page hides what you paste.';
    if (/^dckr_[po]at_[\w-]*$/.test(text)) return (text.startsWith('dckr_oat_') ? 'This is an organization access token' : 'This is a personal access token') + ' of ' + text.length + ' characters.';
    if (/^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return 'This is a short-lived session token, not an access token.';
    if (/dckr_[po]at_[\w-]/.test(text)) return 'You pasted other text with the access token; copy only the token.';
    if (/\s/.test(text.trim())) return 'You pasted spaces or several lines; copy only the token.';
    return 'You pasted ' + text.length + ' characters; purser does not know this kind of token.';
  };
  field.addEventListener('input', () => {
    told.textContent = describe(field.value.trim());
    problem.textContent = '';
  });

  const follow = () => {
    form.hidden = true;
    byId('follow').hidden = false;
    byId('following').focus();
    const source = new EventSource(form.action + '/progress');
    source.onmessage = (event) => {
      const line = JSON.parse(event.data);
      if (line.mark === 'end') {
        source.close();
        byId('end').textContent = 'purser is done. You can close this page.';
        return;
      }
      const item = document.createElement('li'), mark = document.createElement('span'), step = document.createElement('strong');
      item.className = line.mark;
      mark.textContent = (line.mark === 'ok' ? '✓' : '✗') + ' ';
      step.textContent = line.step;
      item.append(mark, step, ' ' + line.text);
      byId('lines').append(item);
    };
    source.onerror = () => {
      source.close();
      if (byId('end').textContent === '') byId('end').textContent = 'purser has stopped. See its messages where you started it.';
    };
  };

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    send.disabled = true;
    problem.textContent = '';
    try {
      const answer = await fetch(form.action, {
        method: 'POST', headers: { Accept: 'application/json' }, cache: 'no-store', credentials: 'omit',
        body: new URLSearchParams(new FormData(form)),
      });
      field.value = '';
      if (answer.status === 202) {
        follow();
        return;
      }
      problem.textContent = (await answer.text()).trim() || 'purser did not accept this token.';
    } catch {
      problem.textContent = 'purser does not answer. It may have stopped waiting; run the command again.';
    }
    told.textContent = describe('');
    send.disabled = false;
    field.focus();
  });
})();
