#!/usr/bin/env bash
# Reads paths of files and folders, one a line. Prints how many kilobytes of weights or of text
# they hold, and `chat` if one of them is a model with a chat template. Their names are chosen
# by others and what is printed becomes a part of a Makefile: no name may be in it.
set -eu -o pipefail
shopt -s nullglob

bytes=0
chat=
add() { # a file, and how often longer its text is
    bytes=$((bytes + $(wc -c < "$1") * $2))
}

while IFS= read -r path; do
    files=("$path")
    if [ -d "$path" ]; then
        files=("$path"/*.safetensors)
        templates=("$path"/chat_template.*)
        if [ ${#templates[@]} -gt 0 ] || grep -qs '"chat_template"' "$path/tokenizer_config.json"; then
            chat=chat
        fi
        [ ${#files[@]} -gt 0 ] || files=("$path"/*.{jsonl,jsonl.gz,parquet})
    fi
    for file in "${files[@]}"; do
        [ -f "$file" ] || continue
        case $file in
            *.gz | *.parquet) add "$file" 4 ;; # compressed; both texts of a pair hold the prompt
            *) add "$file" 1 ;;
        esac
    done
done
echo "$((bytes / 1024))${chat:+ $chat}"
